"""Whether all of a page can be read where it is shown: nothing cut off, nothing in motion."""

from playwright.sync_api import Page

# Text that goes over an edge that cuts it, unless it says so by an ellipsis or is for the ear only;
# and what scrolls sideways, unless that is what it is there for.
LOST = """() => {
  const BLANK = 5; // pixels: one may hang over the edge of a line
  const SIDEWAYS = ".scrolls, .table, .timeline, .usage, .formula, pre, input, textarea";
  const styles = new Map();
  const style = (element) => styles.get(element)
    ?? styles.set(element, getComputedStyle(element)).get(element);
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (!data.trim() || !parentElement.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const { left, right, width } = range.getBoundingClientRect();
    if (!width) continue;
    for (let edge = parentElement; edge; edge = edge.parentElement) {
      const { clipPath, overflowX, textOverflow, position } = style(edge);
      if (clipPath !== "none" || textOverflow === "ellipsis" || edge.matches(SIDEWAYS)) break;
      const isScreen = position === "fixed" || edge === document.documentElement;
      const box = isScreen ? { left: 0, right: innerWidth } : edge.getBoundingClientRect();
      const cuts = isScreen || overflowX !== "visible";
      if (cuts && (left < box.left - BLANK || right > box.right + BLANK)) found.add(data.trim());
      if (position === "fixed") break;
    }
  }
  for (const element of document.body.querySelectorAll("*")) {
    const isWide = element.scrollWidth > element.clientWidth + 1;
    if (isWide && /auto|scroll/.test(style(element).overflowX) && !element.matches(SIDEWAYS)) {
      found.add(`${element.tagName}.${element.className} scrolls`);
    }
  }
  return [...found];
}"""
MOVING = """() => document.getAnimations().filter((one) => one.playState === "running")
  .map((one) => `${one.animationName ?? one.transitionProperty} of ${one.effect.target.className}`)
"""


def lost(page: Page) -> list[str]:
    """What nobody can read on it, and what would have to be scrolled sideways."""
    return page.evaluate(LOST)


def moving(page: Page) -> list[str]:
    return page.evaluate(MOVING)

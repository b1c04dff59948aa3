"""Saying what an answer was worth."""

from chat.models import Actor, Feedback, Turn


def give_feedback(actor: Actor, turn: Turn, rating: str, comment: str = "") -> Feedback:
    """Keep the actor's word on a turn of a session the actor sees, in place of an earlier one."""
    return Feedback.objects.update_or_create(
        turn=turn, user=actor.person, defaults={"rating": rating, "comment": comment}
    )[0]


def take_back_feedback(actor: Actor, turn: Turn) -> None:
    Feedback.objects.filter(turn=turn, user=actor.person).delete()

// Whoever signs in again does so for all open pages: what they send takes the token as it is then.
const TOKEN = "csrfmiddlewaretoken";

document.addEventListener("formdata", ({ formData }) => {
  const fresh = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
  if (fresh && formData.has(TOKEN)) formData.set(TOKEN, fresh);
});

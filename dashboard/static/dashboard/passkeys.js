// Says on the page that a passkey was not used; allauth's own script would say so in the console only.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  for (const words of document.querySelectorAll("[data-passkey-failed]")) words.hidden = false;
});
// A press before allauth's script has taken the buttons would do nothing: all scripts have run when the page is loaded.
window.addEventListener("load", () => {
  for (const button of document.querySelectorAll("[data-passkey]")) button.disabled = false;
});

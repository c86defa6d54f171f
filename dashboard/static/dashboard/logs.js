// The log follows the ticks until it is frozen. Without a live region of its own the page is fed by the alarms' socket.
(() => {
  "use strict";
  const button = document.getElementById("freeze");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")));
  document.addEventListener("dpmp:live", () => {
    if (button.getAttribute("aria-pressed") !== "true") document.body.dispatchEvent(new CustomEvent("log-tick"));
  });
})();

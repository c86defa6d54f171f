// The chosen rows of the workers' table: how many they are, and all at once.
(() => {
  "use strict";
  const number = document.querySelector("[data-picked]");
  if (!number) return;
  const boxes = () => [...document.querySelectorAll('#workers input[name="worker"]')];
  const count = () => { number.textContent = String(boxes().filter((box) => box.checked).length); };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    count();
  });
  document.addEventListener("htmx:afterSettle", count);
})();

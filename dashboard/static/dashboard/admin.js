// The configuration wears the dashboard's colours, by the same cookie, and begins in the first field.
(() => {
  "use strict";
  const wear = () => {
    const found = /(?:^|; )dpmp_theme=(dark|light)/.exec(document.cookie);
    document.documentElement.dataset.theme = found ? found[1] : "auto";
    document.querySelectorAll("#user-tools .theme button").forEach((button) => button.setAttribute("aria-pressed", String(button.value === (found ? found[1] : "system"))));
  };
  wear();
  document.addEventListener("DOMContentLoaded", () => {
    wear();
    const themes = document.querySelector("#user-tools .theme");
    if (themes) themes.addEventListener("submit", (event) => {
      event.preventDefault();
      const theme = event.submitter.value;
      document.cookie = `dpmp_theme=${theme}; path=/; max-age=${theme === "system" ? 0 : 31536000}; samesite=lax`;
      wear();
    });
    if (!document.body.classList.contains("change-form") || location.hash) return;
    const first = [...document.querySelectorAll("#content-main fieldset :is(input, select, textarea)")]
      .find((field) => field.type !== "hidden" && !field.disabled && field.offsetParent);
    if (first) first.focus({ preventScroll: true });
  });
})();

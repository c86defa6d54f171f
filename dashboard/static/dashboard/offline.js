// The notice that a browser shows while the server cannot be reached: in the reader's language and colours, and away
// as soon as the server answers.
(() => {
  "use strict";
  const RETRY_MS = 5000;
  const root = document.documentElement, theme = /(?:^|; )dpmp_theme=(dark|light)/.exec(document.cookie);
  if (theme) root.dataset.theme = theme[1];
  const notices = [...document.querySelectorAll("section[lang]")];
  let chosen = null;
  try { chosen = localStorage.getItem("dpmp_language"); } catch { /* storage is switched off: the browser's languages decide */ }
  const wanted = [chosen, ...navigator.languages].filter(Boolean).flatMap((code) => [code, code.split("-")[0]]);
  const shown = wanted.map((code) => notices.find((one) => one.lang === code)).find(Boolean) || notices[0];
  notices.forEach((one) => { one.hidden = one !== shown; });
  root.lang = shown.lang;
  document.title = `${shown.querySelector("h1").textContent} · DPMP`;

  const ask = async () => { if (!document.hidden && await dpmpHere()) location.reload(); };
  setInterval(ask, RETRY_MS);
  addEventListener("online", ask);
  document.addEventListener("visibilitychange", ask);
})();

// The slider: 5 by drag, 1 by keyboard. It moves at once, but "applied" is only said when the proxy says so.
(() => {
  "use strict";
  const form = document.getElementById("slider");
  if (!form) return;
  const ranges = [...form.querySelectorAll("input[type=range]")];
  const line = document.getElementById("slider-state");
  const ASK_MS = 4000, UNDO_MS = 10000, HAND_MS = 4000;
  let dragging = null, busyUntil = 0, timer = null, patience = null;

  const out = (key, value) => form.querySelectorAll(`[data-out="${CSS.escape(key)}"]`).forEach((node) => { node.textContent = value; });
  const paint = () => ranges.forEach((range) => {
    const value = Number(range.value), rest = range.dataset.rest;
    const colour = getComputedStyle(range).getPropertyValue("--p").trim();
    const other = rest ? getComputedStyle(form.querySelector(`[data-out="${CSS.escape(rest)}"]`)).getPropertyValue("--p").trim() : "var(--line)";
    range.style.setProperty("--track", `linear-gradient(90deg, ${colour} ${value}%, ${other} ${value}%)`);
    out(range.name, value);
    if (rest) out(rest, 100 - value);
    range.setAttribute("aria-valuetext", rest ? `${range.name} ${value} %, ${rest} ${100 - value} %` : `${range.name} ${value} %`);
  });
  // With several pools the others share what is left, in their own proportion; the whole stays 100.
  const share = (moved) => {
    if (ranges.length < 2) return;
    const others = ranges.filter((range) => range !== moved);
    const left = 100 - Number(moved.value), sum = others.reduce((all, range) => all + Number(range.value), 0);
    let given = 0;
    others.forEach((range, index) => {
      const part = index === others.length - 1 ? left - given : Math.round(sum ? left * Number(range.value) / sum : left / others.length);
      range.value = String(part); given += part;
    });
  };
  const send = () => { clearTimeout(timer); timer = setTimeout(() => { line.textContent = form.dataset.sending; form.requestSubmit(); }, 250); };

  // A finger that goes up or down scrolls the page: the handles are as before it came.
  let touch = null;
  const touched = (event) => event.pointerType === "mouse" ? null
    : { x: event.clientX, y: event.clientY, values: ranges.map((range) => range.value), over: false };
  const takeBack = () => {
    if (!touch) return;
    clearTimeout(timer);
    touch.over = true;
    ranges.forEach((range, index) => { range.value = touch.values[index]; });
    busyUntil = 0;
    paint();
  };

  // What a button says is newer than a move that has not been sent yet.
  form.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => clearTimeout(timer)));
  // A move goes to the form's own address: htmx would take that of the button pressed last, if it kept the focus.
  form.addEventListener("htmx:configRequest", (event) => { if (event.detail.elt === form) event.detail.path = form.getAttribute("hx-post"); });
  ranges.forEach((range) => {
    range.addEventListener("pointerdown", (event) => { dragging = range; touch = touched(event); });
    range.addEventListener("pointerup", (event) => {
      dragging = null;
      const { x, y } = touch || { x: event.clientX, y: event.clientY };
      if (Math.abs(event.clientY - y) > 12 && Math.abs(event.clientY - y) > Math.abs(event.clientX - x)) takeBack();
    });
    range.addEventListener("pointercancel", () => { dragging = null; takeBack(); });
    range.addEventListener("input", () => {
      if (dragging === range) range.value = String(Math.round(Number(range.value) / 5) * 5);
      if (touch && touch.over) { takeBack(); return; }
      busyUntil = Date.now() + HAND_MS;
      share(range); paint();
    });
    // What the proxy says before the move is sent must not take the handle back: the old value would be sent.
    range.addEventListener("change", () => {
      if (touch && touch.over) { takeBack(); return; }
      busyUntil = Date.now() + HAND_MS;
      send();
    });
  });
  // "Keep it for" acts at once, with the split as it stands.
  form.elements.namedItem("hours").addEventListener("change", send);

  // What the proxy says: it moves the handles (unless a hand is on them) and ends the wait for "applied".
  const follow = () => {
    const said = document.getElementById("applied");
    if (!said) return;
    const weights = JSON.parse(said.dataset.applied || "{}"), source = said.dataset.source;
    document.getElementById("auto-balance").setAttribute("aria-checked", String(source === "auto-balance"));
    const wait = line.querySelector("[data-expect]");
    if (wait) {
      // The number of the change that was asked for, and that of the newest one which the proxy has taken over.
      if (Number(said.dataset.revision) < Number(wait.dataset.expect)) return;
      clearTimeout(patience);
      wait.removeAttribute("data-expect");
      wait.textContent = form.dataset.appliedText;
      busyUntil = 0;
    }
    if (dragging || Date.now() < busyUntil) return;
    ranges.forEach((range) => { if (range.name in weights) range.value = String(weights[range.name]); });
    paint();
  };
  // Nobody waits for ever: the page asks once itself, and then says that the proxy has not answered; it still may.
  const waitFor = () => {
    clearTimeout(patience);
    patience = setTimeout(() => {
      document.dispatchEvent(new CustomEvent("dpmp:ask"));
      patience = setTimeout(() => {
        const waiting = line.querySelector("[data-expect] [data-waiting]");
        if (waiting) waiting.textContent = form.dataset.unanswered;
      }, ASK_MS);
    }, ASK_MS);
  };
  // What was done can be undone for ten seconds.
  const offerUndo = () => {
    const button = line.querySelector("[data-undo]");
    if (button) setTimeout(() => button.remove(), UNDO_MS);
  };
  // What was not taken over is not "sending" any longer: the handles go back to what the proxy says.
  const failed = (event) => {
    if (!form.contains(event.detail.elt)) return;
    line.replaceChildren();
    busyUntil = 0;
    follow();
  };
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("dpmp:live", follow);
  document.addEventListener("dpmp:theme", paint);
  document.addEventListener("htmx:afterSettle", (event) => { if (event.detail.target === line) { waitFor(); follow(); offerUndo(); } });
  paint();
})();

// The week editor: windows are drawn and moved in the picture; the server says what that means and shows it before it is saved.
(() => {
  "use strict";
  const panel = document.getElementById("panel");
  if (!panel) return;
  // Nobody has asked for a time zone: the browser's own.
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone, query = new URLSearchParams(location.search);
  if (own && !query.has("zone") && document.getElementById("shown").elements.zone.value !== own) {
    query.set("zone", own);
    location.replace(`${location.pathname}?${query}`);
    return;
  }
  const SNAP = 30, DAY = 1440, EDGE_PX = 8, SLOP_PX = 5;
  const week = () => document.getElementById("week");
  const grid = () => document.getElementById("grid");
  const row = () => Number(week().dataset.row);
  const shownDays = () => [...week().querySelectorAll(".days li")].map((one) => one.textContent);
  const firstDay = () => (Number(week().dataset.weekday));
  const clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
  const form = () => document.getElementById("window");

  // The panel: a form that the server makes, from what was drawn and what stands in the form already.
  let focusFirst = false, opened = false, returnTo = null;
  const open = (address, focus) => {
    focusFirst = focus; opened = !form();
    const { zone, worker } = document.getElementById("shown").elements;
    const url = new URL(address, location.href);
    if (!url.searchParams.has("zone")) url.searchParams.set("zone", zone.value);
    if (!url.searchParams.has("worker")) url.searchParams.set("worker", worker.value);
    htmx.ajax("GET", url.pathname + url.search, { target: panel, source: panel, swap: "innerHTML" });
  };
  const shut = () => {
    panel.replaceChildren();
    draw(null);
    const { zone, worker } = document.getElementById("shown").elements;
    const query = new URLSearchParams({ zone: zone.value, worker: worker.value });
    htmx.ajax("GET", `${document.getElementById("shown").action.split("?")[0]}?${query}`, { target: "#preview", source: "#preview", swap: "morph:innerHTML" });
    (returnTo || grid()).focus();
  };
  const written = (more) => {
    const query = form() ? new URLSearchParams(new FormData(form())) : new URLSearchParams();
    query.delete("csrfmiddlewaretoken");
    Object.entries(more).forEach(([name, value]) => query.set(name, value));
    return query;
  };
  const take = (block, minutes, days, side, focus) => {
    const pk = block.dataset.window, same = form() && form().dataset.window === pk;
    const query = same ? written({ minutes, days, side }) : new URLSearchParams({ minutes, days, side });
    if (same) query.delete("window");
    open(`${pk === "new" ? week().dataset.new : block.getAttribute("href")}?${query}`, focus);
  };
  const drawNew = (days, from, until, focus) => {
    const query = new URLSearchParams({ start: clock(from), end: clock(until) });
    days.forEach((day) => query.append("weekdays", (firstDay() + day) % 7));
    open(`${week().dataset.new}?${query}`, focus);
  };

  const draw = (area) => {
    const rect = document.getElementById("drawn");
    if (!rect) return;
    if (!area) { rect.setAttribute("width", "0"); return; }
    rect.setAttribute("x", `${area.from / DAY * 100}%`); rect.setAttribute("width", `${(area.until - area.from) / DAY * 100}%`);
    rect.setAttribute("y", String(area.top * row() + 1)); rect.setAttribute("height", String((area.bottom - area.top + 1) * row() - 2));
    const days = shownDays();
    document.getElementById("week-said").textContent = `${days[area.top]}${area.bottom > area.top ? ` – ${days[area.bottom]}` : ""} ${clock(area.from)}–${clock(area.until)}`;
  };

  // Mouse and finger. A finger that goes up or down scrolls the page: the browser then takes the pointer away.
  let hand = null;
  const place = (event) => {
    const box = grid().getBoundingClientRect();
    return { x: event.clientX, minute: clamp((event.clientX - box.left) / box.width, 0, 1) * DAY, day: clamp(Math.floor((event.clientY - box.top) / row()), 0, 6) };
  };
  document.addEventListener("pointerdown", (event) => {
    if (!grid() || !grid().contains(event.target) || event.button) return;
    const at = place(event), block = event.target.closest(".block");
    let side = "";
    if (block) {
      const box = block.getBoundingClientRect(), near = Math.min(EDGE_PX, box.width / 4);
      if ("begins" in block.dataset && event.clientX - box.left < near) side = "start";
      else if ("ends" in block.dataset && box.right - event.clientX < near) side = "end";
    }
    hand = { at, block, side, moved: false, finger: event.pointerType !== "mouse" };
  });
  const moving = (event) => {
    if (!hand || !grid()) return;
    const at = place(event);
    if (hand.finger) at.day = hand.at.day;
    if (!hand.moved && Math.abs(event.clientX - hand.at.x) < SLOP_PX && at.day === hand.at.day) return;
    if (!hand.moved) { hand.moved = true; grid().setPointerCapture(event.pointerId); }
    hand.to = at;
    if (hand.block) {
      const rect = hand.block.querySelector("rect");
      rect.setAttribute("transform", `translate(${event.clientX - hand.at.x} ${hand.side ? 0 : (at.day - hand.at.day) * row()})`);
      return;
    }
    const from = Math.floor(Math.min(at.minute, hand.at.minute) / SNAP) * SNAP, until = Math.max(Math.ceil(Math.max(at.minute, hand.at.minute) / SNAP) * SNAP, from + SNAP);
    hand.area = { top: Math.min(at.day, hand.at.day), bottom: Math.max(at.day, hand.at.day), from, until };
    draw(hand.area);
  };
  document.addEventListener("pointermove", moving);
  const drop = () => { if (hand && hand.block) hand.block.querySelector("rect").removeAttribute("transform"); hand = null; };
  document.addEventListener("pointerup", (event) => {
    if (!hand) return;
    moving(event);
    const { block, side, at, to, area, moved } = hand;
    drop();
    if (!moved) return;
    if (block) {
      const minutes = Math.round((to.minute - at.minute) / SNAP) * SNAP, days = side ? 0 : to.day - at.day;
      if (minutes || days) take(block, minutes, days, side, false);
      block.addEventListener("click", (event) => event.preventDefault(), { once: true, capture: true });
      setTimeout(() => block.focus(), 0);
    } else if (area) {
      const days = Array.from({ length: area.bottom - area.top + 1 }, (_, index) => area.top + index);
      returnTo = null;
      drawNew(days, area.from, area.until, false);
    }
  });
  document.addEventListener("pointercancel", () => { if (hand && !hand.block) draw(null); drop(); });
  document.addEventListener("dragstart", (event) => { if (grid() && grid().contains(event.target)) event.preventDefault(); });

  // Links that open in the panel.
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".block, [data-panel], [data-close]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    returnTo = link.id ? link : null;
    if ("close" in link.dataset) { returnTo = null; shut(); }
    else if (link.getAttribute("href")) open(link.getAttribute("href"), true);
  });

  // Keys: in the picture a cursor, on a window the window itself.
  let cursor = { day: 0, from: 22 * 60, until: 23 * 60 }, pending = null;
  const STEPS = { ArrowLeft: [-SNAP, 0], ArrowRight: [SNAP, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && panel.contains(event.target)) { shut(); return; }
    const block = event.target.closest && event.target.closest(".block"), step = STEPS[event.key];
    if (block) {
      if (event.key === "Delete") { event.preventDefault(); if (block.getAttribute("href")) { returnTo = block; open(`${block.getAttribute("href")}?delete`, true); } }
      if (!step) return;
      event.preventDefault();
      pending = pending && pending.block === block ? pending : { block, minutes: 0, days: 0, timer: null };
      pending.minutes += step[0]; pending.days += step[1]; pending.side = event.shiftKey ? "end" : "";
      clearTimeout(pending.timer);
      pending.timer = setTimeout(() => { const { minutes, days, side } = pending; pending = null; take(block, minutes, side ? 0 : days, side, false); }, 200);
      return;
    }
    if (event.target !== grid()) return;
    if (event.key === "Enter") { event.preventDefault(); returnTo = grid(); drawNew([cursor.day], cursor.from, cursor.until, true); return; }
    if (!step) return;
    event.preventDefault();
    if (event.shiftKey) cursor.until = clamp(cursor.until + step[0], cursor.from + SNAP, DAY);
    else {
      const length = cursor.until - cursor.from;
      cursor.from = clamp(cursor.from + step[0], 0, DAY - length); cursor.until = cursor.from + length;
      cursor.day = clamp(cursor.day + step[1], 0, 6);
    }
    draw({ top: cursor.day, bottom: cursor.day, from: cursor.from, until: cursor.until });
  });
  document.addEventListener("focusin", (event) => { if (event.target === grid() && event.target.matches(":focus-visible")) draw({ top: cursor.day, bottom: cursor.day, from: cursor.from, until: cursor.until }); });

  // An answer to a form that has gone meanwhile would show what nobody asks for any longer.
  document.addEventListener("htmx:beforeSwap", (event) => { if (!event.detail.requestConfig.elt.isConnected) event.detail.shouldSwap = false; });
  // The form is there, below the picture, so that the picture stays where the hand is. Its first field has the focus where a person
  // asked for the form, and not where it only follows the picture.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== panel) return;
    const first = focusFirst && panel.querySelector("[data-first], input:not([type=hidden]), select");
    if (first) first.focus({ preventScroll: true });
    if (focusFirst || opened) panel.scrollIntoView({ block: "nearest" });
  });
})();

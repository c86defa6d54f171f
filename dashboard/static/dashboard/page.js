// What every page does by itself: times in the viewer's zone, the colour switch, errors in the page.
(() => {
  "use strict";
  const lang = document.documentElement.lang || "en";
  const relative = new Intl.RelativeTimeFormat(lang, { style: "short" });
  const present = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" }).format(0, "second");
  const exact = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const minutes = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const stamp = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const dayClock = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  const NOTICE = ".notice, .found, .notices > .small, #trouble-report > .card";

  // The demonstration and tests may run on another clock than the browser: the page's own time is the server's.
  const ago = (then, now) => {
    const seconds = Math.round((then - now) / 1000);
    if (!seconds) return present;
    const [unit, size] = UNITS.find(([, s]) => Math.abs(seconds) >= s) || ["second", 1];
    return relative.format(Math.trunc(seconds / size), unit).replace(/\.(?= |$)/, "");
  };
  const write = (node, now) => {
    const then = new Date(node.dateTime);
    if (Number.isNaN(then.getTime())) return;
    const text = "ago" in node.dataset ? ago(then, now) : "clock" in node.dataset ? clock.format(then) : "hours" in node.dataset ? minutes.format(then) : "stamp" in node.dataset ? stamp.format(then) : dayClock.format(then);
    if (node.textContent !== text) node.textContent = text;
    const hover = exact.format(then);
    if (node.title !== hover) node.title = hover;
  };
  const times = (root) => { const now = Date.now(); root.querySelectorAll("time[datetime]").forEach((node) => write(node, now)); };
  times(document);
  setInterval(() => times(document), 1000);
  document.addEventListener("htmx:afterSettle", () => times(document));
  document.addEventListener("dpmp:live", () => times(document));

  // A time that only moved on keeps its text until the next second: morphing would set the raw one for a moment.
  if (window.Idiomorph) {
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) =>
      !(old.nodeName === "TIME" && fresh.nodeName === "TIME" && old.dateTime === fresh.dateTime)
      // What somebody chose in a table stays chosen while its numbers change.
      && !(old.nodeType === 1 && "keep" in old.dataset && old.id === fresh.id);
    Idiomorph.defaults.callbacks.afterNodeMorphed = (old) => { if (old.nodeName === "TIME") write(old, Date.now()); };
    Idiomorph.defaults.callbacks.afterNodeAdded = (node) => {
      if (node.nodeType === 1) (node.matches("time") ? [node] : node.querySelectorAll("time[datetime]")).forEach((one) => write(one, Date.now()));
    };
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.nodeName === "DETAILS")
      && !((name === "style" || name === "data-late") && "late" in node.dataset);
    // A notice above the page that is over stays, struck through, so that the page does not move up under the reader.
    Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => {
      if (node.nodeType !== 1 || !node.closest("#live-alarms")) return true;
      const kept = (node.matches(NOTICE) ? [node] : [...node.querySelectorAll(NOTICE)]).filter((one) => !("late" in one.dataset));
      kept.forEach((one) => { one.dataset.over = ""; });
      return !kept.length;
    };
  }

  // A notice that comes while the page is read lies over its lower end, above the others; the next page has it in its place.
  const notices = document.getElementById("notices");
  const told = new WeakSet(notices ? notices.querySelectorAll(NOTICE) : []);
  const stack = () => {
    let up = 0;
    notices.querySelectorAll(NOTICE).forEach((one) => {
      if (!told.has(one)) { told.add(one); one.dataset.late = ""; }
      if (!("late" in one.dataset) || one.hidden) return;
      one.style.setProperty("--up", up);
      up += one.offsetHeight + 8;
    });
    document.documentElement.style.setProperty("--late", `${up}px`);
  };
  if (notices) {
    new MutationObserver(stack).observe(notices, { childList: true, subtree: true, attributeFilter: ["hidden"] });
    addEventListener("resize", stack);
    notices.addEventListener("click", (event) => { if (event.target.closest("[data-close]")) event.target.closest(".card").remove(); });
  }

  // The server shows times of schedules in the browser's zone.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`dpmp_zone=${zone}`)) document.cookie = `dpmp_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

  // Colours: the cookie is read by the server, so that the next page comes in them at once.
  document.querySelectorAll("[data-theme-switch]").forEach((form) => form.addEventListener("submit", (event) => {
    event.preventDefault();
    const theme = event.submitter.value;
    document.cookie = `dpmp_theme=${theme}; path=/; max-age=${theme === "system" ? 0 : 31536000}; samesite=lax`;
    if (theme === "system") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button === event.submitter)));
    document.dispatchEvent(new CustomEvent("dpmp:theme"));
  }));

  // The frame that a phone draws around an installed page takes the page's colour.
  document.addEventListener("dpmp:theme", () => {
    const colour = getComputedStyle(document.documentElement).getPropertyValue("--bg").trim();
    document.querySelectorAll("meta[name=theme-color]").forEach((meta) => { meta.content = colour; });
  });

  // Where a browser allows it (https, or the machine itself), it keeps a notice for while the server cannot be reached.
  const manifest = document.querySelector("link[rel=manifest]");
  if (manifest && "serviceWorker" in navigator) addEventListener("load", () => {
    navigator.serviceWorker.register(manifest.dataset.worker).catch(() => { /* a certificate that the browser does not trust */ });
    try { localStorage.setItem("dpmp_language", lang); } catch { /* storage is switched off: the browser's languages decide */ }
  });

  // A form shows the fields that belong to what was chosen in it.
  document.addEventListener("change", (event) => {
    if (event.target.matches("form[data-mode] [name=mode]")) event.target.form.dataset.mode = event.target.value;
  });

  // Errors belong in the page.
  const flash = document.getElementById("flash");
  const say = (text) => {
    if (!flash) return;
    const line = document.createElement("p");
    line.className = "notice bad"; line.dataset.said = ""; line.textContent = text;
    flash.replaceChildren(line);
  };
  const loud = (event) => !event.detail.elt.dataset || !("quiet" in event.detail.elt.dataset);
  document.addEventListener("htmx:sendError", (event) => { if (loud(event)) say(flash.dataset.failed); });
  document.addEventListener("htmx:responseError", (event) => { if (loud(event)) say(flash.dataset.refused); });
  // What works again is not called broken any longer.
  document.addEventListener("htmx:afterRequest", (event) => {
    const line = flash && flash.querySelector("[data-said]");
    if (line && event.detail.successful && loud(event)) line.remove();
  });

  // While the server cannot be reached the page is dim and says since when; what was said of it goes when it is back.
  const lost = document.getElementById("lost");
  let heardAt = Date.now();
  document.addEventListener("dpmp:live", () => { heardAt = Date.now(); });
  document.addEventListener("dpmp:state", (event) => {
    const gone = event.detail === "lost";
    document.documentElement.toggleAttribute("data-lost", gone);
    if (!lost) return;
    if (gone) { const since = lost.querySelector("time"); since.dateTime = new Date(heardAt).toISOString(); write(since, Date.now()); }
    else if (!lost.hidden && flash) flash.querySelectorAll("[data-said]").forEach((line) => line.remove());
    lost.hidden = !gone;
  });

  // The tab says how the mining goes, also while another page is in front.
  const title = document.title, closing = document.getElementById("close-blocks");
  const retitle = () => {
    const tab = document.getElementById("tab-title");
    const said = tab && tab.getAttribute("value"), found = document.querySelector(".found");
    const text = found ? `★ ${closing.dataset.title} · ${title}` : said ? `${tab.dataset.alarm ? "⚠ " : ""}${said} · ${title}` : title;
    if (document.title !== text) document.title = text;
    if (found) announce();
  };
  // A block is the event of a year: the icon turns to gold, and a browser that may notify does so, once for each block.
  const announce = () => {
    const icon = document.querySelector("link[rel=icon]");
    if (icon.getAttribute("href") !== closing.dataset.icon) icon.setAttribute("href", closing.dataset.icon);
    if (!window.Notification || Notification.permission !== "granted") return;
    let told = [];
    try { told = JSON.parse(localStorage.getItem("dpmp_blocks") || "[]"); } catch { /* another format: tell again */ }
    document.querySelectorAll(".found").forEach((one) => {
      if (told.includes(one.dataset.block)) return;
      told = [...told, one.dataset.block].slice(-50);
      localStorage.setItem("dpmp_blocks", JSON.stringify(told));
      notify(closing.dataset.title, { body: one.querySelector("p").textContent.trim().replace(/\s+/g, " "), icon: closing.dataset.icon, tag: `block-${one.dataset.block}`, data: { page: "records/", own: true } });
    });
  };
  // Phones allow a notification to a service worker only; a browser without one (plain http) to the page itself. A block
  // that was pushed to this browser in these minutes is told already.
  const pushed = ({ tag, data }) => tag.startsWith("block-") && data && Date.now() - data.at < 300_000;
  const notify = async (said, more) => {
    try {
      const worker = navigator.serviceWorker && await navigator.serviceWorker.getRegistration();
      if (!worker || !worker.active) new Notification(said, more);
      else if (!(await worker.getNotifications()).some(pushed)) await worker.showNotification(said, more);
    } catch { /* neither is allowed: the banner, the tab and its icon say it */ }
  };
  document.querySelectorAll("[data-notify]").forEach((button) => {
    button.hidden = !window.Notification || Notification.permission !== "default";
    button.addEventListener("click", () => Notification.requestPermission().then(() => { button.hidden = true; }));
  });
  retitle();
  document.addEventListener("dpmp:live", retitle);

  // A term explains itself under the pointer, with the focus, and at a touch; Escape closes it. Where a narrow screen
  // leaves the heads of a table out, its cells do it for them.
  const tip = document.createElement("div");
  tip.id = "term-tip"; tip.popover = "manual"; tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  const hide = () => { if (tip.matches(":popover-open")) tip.hidePopover(); };
  const narrow = matchMedia("(max-width: 640px)");
  const headOf = (cell) => {
    const heads = cell && narrow.matches && cell.closest("table").tHead, head = heads && heads.rows[0].cells[cell.cellIndex];
    return head && head.querySelector("[data-tip]");
  };
  const explain = (event) => {
    const on = event.target.closest && event.target.closest("[data-tip], .stack td[data-label]");
    const term = on && (on.dataset.tip ? on : headOf(on));
    if (!term || !tip.showPopover) { hide(); return; }
    on.removeAttribute("title");
    on.setAttribute("aria-describedby", tip.id);
    tip.textContent = term.dataset.tip;
    if (!tip.matches(":popover-open")) tip.showPopover();
    const place = on.getBoundingClientRect(), below = place.bottom + 8 + tip.offsetHeight < innerHeight;
    tip.style.top = `${below ? place.bottom + 6 : place.top - tip.offsetHeight - 6}px`;
    tip.style.left = `${Math.max(12, Math.min(place.left, innerWidth - tip.offsetWidth - 12))}px`;
  };
  ["mouseover", "focusin", "click"].forEach((kind) => document.addEventListener(kind, explain));
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, { capture: true, passive: true });

  // On a narrow screen the row of pages scrolls: show where we are.
  const here = document.querySelector(".bar nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 40;

  // Escape closes the innermost of what is open: what explains a term, a menu, the fold that holds the focus, which goes
  // back to what opened it. Menus close on a click elsewhere, too.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (tip.matches(":popover-open")) { hide(); return; }
    const open = document.querySelector(".menu[open]") || document.activeElement.closest("main details[open]");
    if (!open) return;
    event.preventDefault();
    open.open = false;
    open.querySelector(":scope > summary").focus();
  });
  document.addEventListener("click", (event) => document.querySelectorAll(".menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; }));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button && navigator.clipboard) navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim()).then(() => { button.textContent = button.dataset.done; });
  });
})();

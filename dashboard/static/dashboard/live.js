// The page's one WebSocket and, where that is blocked, polling. Regions arrive as HTML and are morphed into place.
(() => {
  "use strict";
  const socket = document.getElementById("live");
  const light = document.getElementById("live-state");
  if (!socket || !light) return;
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  const POLL_MS = 2000, QUIET_MS = 12000, LONGEST_PAUSE_MS = 64000, LOGGED_OUT = 4401;
  let last = 0, poll = null, grace = setTimeout(startPolling, 3000);
  // When the socket was opened or last spoke, when the last poll was asked, and what connects the socket again.
  let heard = 0, asked = 0, wrapper = null;
  // What connects a socket that is over, when that may be tried, how often it was in vain; the open socket, and those it replaced.
  let closed = null, rested = 0, vain = 0, asking = false, current = null;
  const replaced = new WeakSet();
  // Only a server that answers is connected to, so that no browser complains of one that is away; see connect().
  htmx.config.wsReconnectDelay = () => 2 ** 31 - 1;

  function show(state) {
    light.hidden = false;
    if (light.dataset.state !== state) { light.dataset.state = state; light.textContent = light.dataset[state]; document.dispatchEvent(new CustomEvent("dpmp:state", { detail: state })); }
  }
  function arrived(state) {
    last = Date.now();
    show(state);
    document.dispatchEvent(new CustomEvent("dpmp:live"));
    document.body.dispatchEvent(new CustomEvent("tick"));
  }
  // By fetch: htmx writes two errors to the console for each request that finds no server, every two seconds.
  async function ask() {
    if (asking) return;
    asking = true;
    const there = await dpmpHere();
    asking = false;
    if (!there) { show("lost"); return; }
    connect();
    await fetchOnce();
  }
  function connect() {
    if (!closed || Date.now() < rested) return;
    const over = closed;
    closed = null;
    if (current) replaced.add(current);
    vain += 1;
    rested = Date.now() + Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** vain);
    over.reconnect();
  }
  async function fetchOnce() {
    if (document.hidden) return;
    asked = Date.now();
    const at = asked;
    let answer, html;
    try {
      answer = await fetch(socket.dataset.poll, { headers: { "HX-Request": "true" } });
      html = await answer.text();
    } catch { show("lost"); return; }
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) { show("lost"); return; }
    // What the socket said meanwhile is newer than a poll's answer, and would not be said again.
    if (heard <= at && html) htmx.swap(socket, html, { swapStyle: "none" });
    arrived(poll === null && light.dataset.state ? light.dataset.state : "polling");
  }
  function startPolling() {
    clearTimeout(grace);
    if (poll !== null) return;
    poll = setInterval(ask, POLL_MS);
    ask();
  }
  function stopPolling() { clearTimeout(grace); clearInterval(poll); poll = null; }

  socket.dataset.quiet = "";
  function heardOf(event) { wrapper = event.detail.socketWrapper; closed = null; heard = Date.now(); stopPolling(); }
  document.addEventListener("htmx:wsOpen", (event) => { current = event.detail.event.target; heardOf(event); });
  document.addEventListener("htmx:wsAfterMessage", (event) => {
    event.detail.socketWrapper.send('{"ack": 1}', socket);
    heardOf(event);
    dpmpHereWorks();
    vain = 0;
    rested = 0;
    arrived("live");
  });
  document.addEventListener("htmx:wsClose", (event) => {
    if (replaced.has(event.detail.event.target)) return;
    wrapper = null;
    // Refused or logged out: the server decides what this page may be now.
    if (event.detail.event.code === LOGGED_OUT) { location.reload(); return; }
    closed = event.detail.socketWrapper;
    // A server that stops may still answer for a moment.
    clearTimeout(grace);
    grace = setTimeout(startPolling, 1500);
  });
  document.addEventListener("htmx:wsError", () => startPolling());
  // What a page asks by itself waits until the server is back.
  window.dpmpAway = () => light.dataset.state === "lost" || closed !== null && light.dataset.state !== "polling";
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (dpmpAway() && event.detail.elt.matches('[hx-trigger^="every"]')) event.preventDefault();
  });
  setInterval(() => {
    if (last) light.title = `${light.dataset.updated}: ${relative.format(-Math.round((Date.now() - last) / 1000), "second")}`;
    if (last && Date.now() - last > QUIET_MS) show("lost");
    // An open socket that says nothing is no better than none: ask instead, and try another one.
    if (wrapper && Date.now() - heard > QUIET_MS) {
      heard = Date.now();
      closed = wrapper;
      startPolling();
    }
  }, 1000);
  document.addEventListener("dpmp:ask", ask);
})();

// The page's one WebSocket and, where that is blocked, polling. Regions arrive as HTML and are morphed into place.
(() => {
  "use strict";
  const socket = document.getElementById("live");
  const light = document.getElementById("live-state");
  if (!socket || !light) return;
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  const POLL_MS = 2000, QUIET_MS = 12000, LOGGED_OUT = 4401;
  let last = 0, poll = null, grace = setTimeout(startPolling, 3000);

  function show(state) {
    light.hidden = false;
    if (light.dataset.state !== state) { light.dataset.state = state; light.textContent = light.dataset[state]; }
  }
  function arrived(state) {
    last = Date.now();
    show(state);
    document.dispatchEvent(new CustomEvent("dpmp:live"));
    document.body.dispatchEvent(new CustomEvent("tick"));
  }
  function startPolling() {
    clearTimeout(grace);
    if (poll !== null) return;
    const ask = () => { if (!document.hidden) htmx.ajax("GET", socket.dataset.poll, { source: socket, target: socket, swap: "none" }); };
    poll = setInterval(ask, POLL_MS);
    ask();
  }
  function stopPolling() { clearTimeout(grace); clearInterval(poll); poll = null; }

  socket.dataset.quiet = "";
  document.addEventListener("htmx:wsOpen", stopPolling);
  document.addEventListener("htmx:wsAfterMessage", (event) => {
    event.detail.socketWrapper.send('{"ack": 1}', socket);
    arrived("live");
  });
  document.addEventListener("htmx:wsClose", (event) => {
    // Refused or logged out: the server decides what this page may be now.
    if (event.detail.event && event.detail.event.code === LOGGED_OUT) { location.reload(); return; }
    grace = setTimeout(startPolling, 1500);
  });
  document.addEventListener("htmx:wsError", () => startPolling());
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== socket) return;
    if (event.detail.successful) arrived("polling");
    else if (event.detail.xhr && event.detail.xhr.status === 401) location.reload();
    else show("lost");
  });
  setInterval(() => {
    if (!last) return;
    light.title = `${light.dataset.updated}: ${relative.format(-Math.round((Date.now() - last) / 1000), "second")}`;
    if (Date.now() - last > QUIET_MS) show("lost");
  }, 1000);
})();

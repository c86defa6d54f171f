// Asks whether the server answers, by a page in a hidden frame: for a request or a WebSocket that finds no server each
// browser writes a line of its own to the console, which no script can keep it from; for a frame it writes none.
(() => {
  "use strict";
  const LONGEST_MS = 6000, MISSES = 3, KEPT = "dpmp_here";
  const page = document.documentElement.dataset.here;
  const kept = () => { try { return sessionStorage.getItem(KEPT); } catch { return null; } };
  // Whether a frame ever told of the server, and whether that is hopeless here; failures since it told last.
  let works = Boolean(kept()), blind = false, misses = 0, looking = false;
  const look = () => new Promise((done) => {
    const frame = document.createElement("iframe");
    const end = () => {
      let found = null;
      // The browser's own notice of a failure, and a login of a web server in front, belong to somebody else.
      try { found = frame.contentDocument && frame.contentDocument.querySelector("[data-dpmp-here]"); } catch { /* not ours */ }
      clearTimeout(limit);
      frame.remove();
      done(Boolean(found));
    };
    const limit = setTimeout(end, LONGEST_MS);
    frame.hidden = true;
    frame.setAttribute("sandbox", "allow-same-origin");
    frame.addEventListener("load", end, { once: true });
    frame.src = page;
    document.body.append(frame);
  });
  const learn = async () => {
    const found = await look();
    misses = found ? 0 : misses + 1;
    if (found && !works) {
      works = true;
      try { sessionStorage.setItem(KEPT, "1"); } catch { /* storage is switched off: each page learns it anew */ }
    }
    return found;
  };
  // Where no frame has told anything yet, one time in three is tried without.
  window.dpmpHere = async () => blind || await learn() || !works && misses % MISSES === 0;
  // Said while the server is there: a web server in front that forbids frames leaves nothing to be learnt by one.
  window.dpmpHereWorks = async () => {
    if (works || blind || looking) return;
    looking = true;
    blind = !await learn() && misses >= MISSES;
    looking = false;
  };
})();

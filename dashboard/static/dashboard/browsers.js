// Switches notifications on in this browser, and says why that cannot be where it cannot.
(() => {
  "use strict";
  const card = document.getElementById("browsers"), manifest = document.querySelector("link[rel=manifest]");
  if (!card) return;
  const show = (state) => card.querySelectorAll("[data-push]").forEach((one) => { one.hidden = !one.dataset.push.split(" ").includes(state); });
  const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const own = async ({ endpoint }) => {
    const handle = hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));
    return card.querySelector(`[data-handle="${handle}"]`);
  };
  const post = async (url, fields) => {
    const answer = await fetch(url, { method: "POST", headers: { "X-CSRFToken": card.dataset.token }, body: new URLSearchParams(fields) });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.problem || `HTTP ${answer.status}`);
    return said;
  };
  const present = async () => {
    const worker = await navigator.serviceWorker.getRegistration();
    return worker ? worker.pushManager.getSubscription() : null;
  };

  const active = (registration) => new Promise((resolve, reject) => {
    const coming = registration.installing || registration.waiting;
    if (registration.active || !coming) { resolve(registration); return; }
    coming.addEventListener("statechange", () => {
      if (coming.state === "activated") resolve(registration);
      else if (coming.state === "redundant") reject(new Error("ServiceWorker"));
    });
  });

  const look = async () => {
    const subscription = await present(), mark = subscription && await own(subscription);
    if (mark) {
      mark.hidden = false;
      // Whoever removes this browser here ends its subscription too.
      const form = mark.closest("div").querySelector("form");
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        subscription.unsubscribe().catch(() => { /* it is over with its row */ }).finally(() => form.submit());
      });
    }
    show(mark ? "on" : Notification.permission === "denied" ? "denied" : "off");
  };

  const subscribe = async () => {
    if (await Notification.requestPermission() !== "granted") { show("denied"); return; }
    const worker = await active(await navigator.serviceWorker.register(manifest.dataset.worker)), before = await worker.pushManager.getSubscription();
    if (before) await before.unsubscribe();  // it belongs to nobody here, or to another key
    const { key } = await post(card.dataset.key, {});
    const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint, keys } = made.toJSON();
    await post(card.dataset.add, { endpoint, p256dh: keys.p256dh, auth: keys.auth }).catch(async (error) => { await made.unsubscribe(); throw error; });
    await worker.showNotification("DPMP", { body: card.dataset.done, tag: "dpmp-browser" });
    location.reload();
  };

  if (!window.isSecureContext) { show("insecure"); return; }
  if (!navigator.serviceWorker || !window.PushManager || !window.Notification) { show("none"); return; }
  card.querySelector("[data-subscribe]").addEventListener("click", async ({ currentTarget: button }) => {
    button.disabled = true;
    await subscribe().catch((error) => { card.querySelector("[data-problem]").textContent = error.message; show("failed"); });
    button.disabled = false;
  });
  look().catch(() => show("off"));
})();

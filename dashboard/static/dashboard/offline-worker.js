// Shows a notice where a page cannot be loaded, messages that are pushed, and the dashboard where one is pressed. Nothing else is kept or answered: no page, no data, nothing of a login.
// Before this text stand self.KEPT: the cache's name, which changes with the notice; the notice; what the notice needs; and self.ICON.
const [CACHE, ...FILES] = self.KEPT;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) =>
    // A redirect leads to the login of a web server in front: that is no notice.
    cache.addAll(FILES.map((file) => new Request(file, { cache: "reload", redirect: "error" })))));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name.startsWith("dpmp-offline-") && name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

// An alert, as the proxy pushed it; the same one once more replaces itself. A browser wants to see one for each push.
self.addEventListener("push", (event) => {
  let said = {};
  try { said = event.data.json(); } catch { /* none of ours */ }
  const tag = String(said.tag || "dpmp");
  event.waitUntil((async () => {
    // Of a block a page that is open here may have told already: one message of it is enough.
    if (tag.startsWith("block-")) (await self.registration.getNotifications()).filter(({ data }) => data && data.own).forEach((one) => one.close());
    await self.registration.showNotification(String(said.title || "DPMP"), {
      body: String(said.body || ""), tag, lang: "en", icon: self.ICON,
      requireInteraction: said.level === "bad", data: { page: String(said.page || ""), at: Date.now() },
    });
  })());
});

// A notification that is pressed leads to its page on the dashboard, never elsewhere: to a window that shows it, else to
// a new one. Without a page: to the window that is open.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { scope } = self.registration, page = (event.notification.data || {}).page || "";
  const named = new URL(page, scope), wanted = named.href.startsWith(scope) ? named.href : scope;
  event.waitUntil(self.clients.matchAll({ type: "window", includeUncontrolled: true }).then((windows) => {
    const shown = page ? windows.find(({ url }) => url.split(/[?#]/)[0] === wanted) : windows[0];
    return shown ? shown.focus() : self.clients.openWindow(wanted);
  }));
});

const kept = (file) => caches.match(file, { cacheName: CACHE, ignoreVary: true }).then((found) => found || Response.error());

self.addEventListener("fetch", (event) => {
  const { request } = event, path = new URL(request.url).pathname;
  // A frame asks whether the server answers: the notice would say that it does.
  if (request.method !== "GET" || request.destination === "iframe") return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => kept(FILES[0])));
  else if (FILES.indexOf(path) > 0) event.respondWith(fetch(request).catch(() => kept(path)));
});

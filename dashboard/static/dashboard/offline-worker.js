// Shows a notice where a page cannot be loaded, and the dashboard where a notification is pressed. Nothing else is kept or answered: no page, no data, nothing of a login.
// Before this text stands self.KEPT: the cache's name, which changes with the notice; the notice; what the notice needs.
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

// A notification that is pressed leads to the dashboard: to the window that is open, else to a new one.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.matchAll({ type: "window", includeUncontrolled: true })
    .then(([window]) => window ? window.focus() : self.clients.openWindow(self.registration.scope)));
});

const kept = (file) => caches.match(file, { cacheName: CACHE, ignoreVary: true }).then((found) => found || Response.error());

self.addEventListener("fetch", (event) => {
  const { request } = event, path = new URL(request.url).pathname;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => kept(FILES[0])));
  else if (FILES.indexOf(path) > 0) event.respondWith(fetch(request).catch(() => kept(path)));
});

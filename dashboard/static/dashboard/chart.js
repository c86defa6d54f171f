// Charts by uPlot: pool colours from the page, gaps as gaps, time in the viewer's zone, zoom by dragging.
(() => {
  "use strict";
  const REFRESH_MS = 30000;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const lang = document.documentElement.lang || "en";
  const scaled = (value, unit) => {
    if (value === null || value === undefined) return "–";
    const steps = ["", "k", "M", "G", "T", "P", "E", "Z"];
    let step = 0;
    while (Math.abs(value) >= 1000 && step < steps.length - 1) { value /= 1000; step += 1; }
    return `${value.toLocaleString(lang, { maximumSignificantDigits: 3 })} ${steps[step]}${unit}`.trim();
  };
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  const both = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  // The day stands under the first tick and under each midnight; spans of weeks only show days.
  const ticks = (plot, values, axis, space, step) => values.map((value, index) => {
    const moment = new Date(value * 1000);
    if (step >= 86400) return day.format(moment);
    const turns = index === 0 || new Date(values[index - 1] * 1000).getDate() !== moment.getDate();
    return turns ? `${clock.format(moment)}\n${day.format(moment)}` : clock.format(moment);
  });
  const FORMATS = {
    rate: (value) => scaled(value, "H/s"),
    accepted: (value) => value === null || value === undefined ? "–" : value.toLocaleString(lang, { maximumSignificantDigits: 3 }),
    percent: (value) => value === null || value === undefined ? "–" : `${value.toLocaleString(lang, { maximumFractionDigits: 1 })} %`,
  };

  class Chart {
    constructor(card) {
      this.card = card; this.box = card.querySelector(".chart"); this.plot = null; this.found = null;
      this.format = FORMATS[card.dataset.kind] || FORMATS.accepted;
      const pressed = card.querySelector('[data-span][aria-pressed="true"]');
      this.span = pressed ? pressed.dataset.span : "";
      card.querySelectorAll("[data-span]").forEach((button) => button.addEventListener("click", () => {
        this.span = button.dataset.span;
        card.querySelectorAll("[data-span]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        this.load(true);
      }));
      new ResizeObserver(() => { if (this.plot && this.width() !== this.plot.width) this.plot.setSize({ width: this.width(), height: this.height() }); }).observe(this.box);
      document.addEventListener("dpmp:theme", () => this.draw());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      setInterval(() => { if (!document.hidden && !this.zoomed) this.load(false); }, REFRESH_MS);
      this.load(true);
    }
    width() { return Math.max(200, this.box.clientWidth); }
    height() { return this.box.classList.contains("low") ? 160 : 240; }
    say(text) {
      if (this.plot) { this.plot.destroy(); this.plot = null; }
      const line = document.createElement("p"); line.className = "wait"; line.textContent = text; this.box.replaceChildren(line);
    }
    async load(fresh) {
      try {
        const answer = await fetch(`${this.card.dataset.chart}?span=${encodeURIComponent(this.span)}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        this.found = await answer.json();
      } catch { if (!this.plot) this.say(this.card.dataset.failed); return; }
      if (fresh) this.zoomed = false;
      this.draw();
    }
    draw() {
      if (!this.found) return;
      const { times, lines } = this.found;
      if (!lines.length || !times.length) { this.say(this.card.dataset.empty); return; }
      if (this.plot) this.plot.destroy();
      this.box.replaceChildren();
      const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: `12px ${css("--font")}` };
      const percent = this.card.dataset.kind === "percent";
      this.plot = new uPlot({
        width: this.width(), height: this.height(), legend: { live: true },
        cursor: { drag: { x: true, y: false } },
        scales: { ...(times.length === 1 ? { x: { range: () => [times[0] - 1800, times[0] + 1800] } } : {}), y: { range: (plot, low, high) => percent ? [Math.floor(low * .98), Math.ceil(high * 1.02 + .01)] : [0, (high || 1) * 1.08] } },
        axes: [{ ...axis, values: ticks }, { ...axis, size: 78, values: (plot, ticks) => ticks.map(this.format) }],
        series: [{ label: this.card.dataset.time || "", value: (plot, value) => value ? both.format(new Date(value * 1000)) : "–" }, ...lines.map((line) => ({ label: line.label, stroke: css(`--p${line.colour}`), width: line.dashed ? 1.5 : 2, dash: line.dashed ? [6, 5] : undefined, fill: lines.length === 1 ? css(`--p${line.colour}`) + "22" : undefined, spanGaps: false, points: line.values.filter((value) => value !== null).length < 4 ? { show: true, size: 7, fill: css(`--p${line.colour}`) } : {}, value: (plot, value) => this.format(value) }))],
        hooks: { setSelect: [() => { this.zoomed = true; }] },
      }, [times, ...lines.map((line) => line.values)], this.box);
    }
  }
  document.querySelectorAll("[data-chart]").forEach((card) => new Chart(card));
})();

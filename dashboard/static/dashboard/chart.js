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
    difficulty: (value) => scaled(value, ""),
    latency: (value) => value === null || value === undefined ? "–" : `${value.toLocaleString(lang, { maximumSignificantDigits: 3 })} ms`,
    power: (value) => scaled(value, "W"),
    temperature: (value) => value === null || value === undefined ? "–" : `${value.toLocaleString(lang, { maximumFractionDigits: 0 })} °C`,
    percent: (value) => value === null || value === undefined ? "–" : `${value.toLocaleString(lang, { maximumFractionDigits: 1 })} %`,
  };
  FORMATS.share = FORMATS.percent;

  class Chart {
    constructor(card) {
      this.card = card; this.box = card.querySelector(".chart"); this.plot = null; this.found = null;
      this.format = FORMATS[card.dataset.kind] || FORMATS.accepted;
      const pressed = card.querySelector('[data-span][aria-pressed="true"]');
      this.span = pressed ? pressed.dataset.span : "";
      // The span is remembered for each kind of chart.
      const kept = card.querySelector(`[data-span="${CSS.escape(this.remembered() || "")}"]`);
      if (kept) this.choose(kept, false);
      this.what = "";
      card.querySelectorAll("[data-what]").forEach((button) => button.addEventListener("click", () => this.turnTo(button)));
      card.querySelectorAll("[data-span]").forEach((button) => button.addEventListener("click", () => this.choose(button, true)));
      new ResizeObserver(() => { if (this.plot && this.width() !== this.plot.width) this.plot.setSize({ width: this.width(), height: this.height() }); }).observe(this.box);
      document.addEventListener("dpmp:theme", () => this.draw());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      setInterval(() => { if (!document.hidden && !this.zoomed && !(window.dpmpAway && dpmpAway())) this.load(false); }, REFRESH_MS);
      this.load(true);
    }
    remembered() { try { return localStorage.getItem(`dpmp_span_${this.card.dataset.kind}`); } catch { return null; } }
    choose(button, anew) {
      this.span = button.dataset.span;
      this.card.querySelectorAll("[data-span]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      if (!anew) return;
      try { localStorage.setItem(`dpmp_span_${this.card.dataset.kind}`, this.span); } catch { /* private window: not remembered */ }
      this.load(true);
    }
    turnTo(button) {
      this.what = `&what=${button.dataset.what}`; this.format = FORMATS[button.dataset.as] || FORMATS.accepted;
      this.card.querySelectorAll("[data-what]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
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
        const answer = await fetch(`${this.card.dataset.chart}?span=${encodeURIComponent(this.span)}${this.what}`, { headers: { Accept: "application/json" } });
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
      // A band around a line: two more lines, neither drawn nor named, and the area between them.
      const edges = lines.flatMap((line, index) => line.errors ? [-1, 1].map((side) => ({ line, index, values: line.values.map((value, at) => value === null ? null : Math.min(100, Math.max(0, value + side * line.errors[at]))) })) : []);
      const percent = this.card.dataset.kind === "percent", share = this.card.dataset.kind === "share", stacked = "stacked" in this.card.dataset;
      // Stacked: each line is drawn at the sum of those up to it, the area between two in its colour; values stay its own.
      const sums = times.map(() => 0);
      const drawn = lines.map((line) => stacked ? line.values.map((value, at) => value === null ? null : (sums[at] += value)) : line.values);
      const own = (line) => (plot, value, series, at) => this.format(at === null || at === undefined ? line.values.at(-1) : line.values[at]);
      const sum = (at) => lines.some((line) => line.values[at] !== null) ? lines.reduce((all, line) => all + (line.values[at] || 0), 0) : null;
      const total = stacked && lines.length > 1 ? [{ label: this.card.dataset.total, stroke: css("--muted"), paths: () => null, points: { show: false }, value: (plot, value, series, at) => this.format(sum(at === null || at === undefined ? times.length - 1 : at)) }] : [];
      this.total = total.length ? (at) => `${this.card.dataset.total}  ${this.format(sum(at))}` : null;
      this.plot = new uPlot({
        width: this.width(), height: this.height(), legend: { live: true },
        cursor: { drag: { x: true, y: false } },
        scales: { ...(times.length === 1 ? { x: { range: () => [times[0] - 1800, times[0] + 1800] } } : {}), y: { range: (plot, low, high) => share ? [Math.max(0, Math.floor(low - 5)), Math.min(100, Math.ceil(high + 5))] : percent ? [Math.floor(low * .98), Math.ceil(high * 1.02 + .01)] : [0, (high || 1) * 1.08] } },
        axes: [{ ...axis, values: ticks }, { ...axis, size: 78, values: (plot, ticks) => ticks.map(this.format) }],
        series: [{ label: this.card.dataset.time || "", value: (plot, value) => value ? both.format(new Date(value * 1000)) : "–" }, ...lines.map((line) => ({ label: line.label, stroke: css(`--p${line.colour}`), width: line.dashed ? 1.5 : 2, dash: line.dashed ? [6, 5] : undefined, fill: lines.length === 1 || stacked && line === lines[0] ? css(`--p${line.colour}`) + "22" : undefined, spanGaps: false, points: line.values.filter((value) => value !== null).length < 4 ? { show: true, size: 7, fill: css(`--p${line.colour}`) } : { show: false }, value: own(line) })), ...total, ...edges.map((edge) => ({ class: "edge", width: 0, points: { show: false }, spanGaps: false }))],
        bands: edges.length ? edges.filter((edge, at) => at % 2).map((edge, at) => ({ series: [lines.length + total.length + 2 + 2 * at, lines.length + total.length + 1 + 2 * at], fill: css(`--p${edge.line.colour}`) + "33" })) : stacked ? lines.slice(1).map((line, index) => ({ series: [index + 2, index + 1], fill: css(`--p${line.colour}`) + "33" })) : undefined,
        hooks: { setSelect: [() => { this.zoomed = true; }], draw: [(plot) => this.mark(plot)], setCursor: [(plot) => this.tip(plot)] },
      }, [times, ...drawn, ...(total.length ? [drawn.at(-1)] : []), ...edges.map((edge) => edge.values)], this.box);
      this.bubble = document.createElement("div"); this.bubble.className = "tip"; this.bubble.hidden = true;
      this.plot.over.append(this.bubble);
    }
  }
  Chart.prototype.marks = function (plot) {
    return (this.found.marks || []).filter((mark) => mark.at >= plot.scales.x.min && mark.at <= plot.scales.x.max);
  };
  // What happened: a dashed line each, in the colour of its kind.
  Chart.prototype.mark = function (plot) {
    const colours = { block: "--warn", down: "--bad", split: "--muted" }, { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([4, 4]); ctx.lineWidth = devicePixelRatio;
    this.marks(plot).forEach((mark) => {
      const left = Math.round(plot.valToPos(mark.at, "x", true));
      ctx.strokeStyle = ctx.fillStyle = css(colours[mark.kind] || "--muted");
      ctx.beginPath(); ctx.moveTo(left, bbox.top); ctx.lineTo(left, bbox.top + bbox.height); ctx.stroke();
      if (mark.kind === "block") { const half = 5 * devicePixelRatio; ctx.beginPath(); ctx.moveTo(left, bbox.top); ctx.lineTo(left + half, bbox.top + half); ctx.lineTo(left, bbox.top + 2 * half); ctx.lineTo(left - half, bbox.top + half); ctx.fill(); }
    });
    ctx.restore();
  };
  // Beside the pointer: the time, each value, and what happened there.
  Chart.prototype.tip = function (plot) {
    const { idx, left } = plot.cursor;
    if (!this.bubble) return;
    this.bubble.hidden = idx === null || idx === undefined || left < 0;
    if (this.bubble.hidden) return;
    const lines = [[both.format(new Date(this.found.times[idx] * 1000)), "time"]];
    this.found.lines.forEach((line) => lines.push([`${line.label}  ${this.format(line.values[idx])}${line.errors && line.errors[idx] !== null ? ` ± ${line.errors[idx].toLocaleString(lang, { maximumFractionDigits: 1 })}` : ""}`, `p${line.colour}`]));
    if (this.total) lines.push([this.total(idx), "total"]);
    this.marks(plot).filter((mark) => Math.abs(plot.valToPos(mark.at, "x") - left) < 8).forEach((mark) => lines.push([`${clock.format(new Date(mark.at * 1000))} ${mark.text}`, mark.kind]));
    this.bubble.replaceChildren(...lines.map(([text, kind]) => { const row = document.createElement("div"); row.className = kind; row.textContent = text; return row; }));
    this.bubble.classList.toggle("to-left", left > plot.over.clientWidth / 2);
    this.bubble.dataset.at = String(idx);
    this.bubble.style.left = `${left}px`;
  };
  document.querySelectorAll("[data-chart]").forEach((card) => new Chart(card));
})();

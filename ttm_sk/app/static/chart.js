// One series as SVG: history, fan, and the backtest's newest window; read by pointer or by arrow keys.
"use strict";

const box = document.getElementById("chart");
const points = JSON.parse(document.getElementById(box.dataset.points).textContent);
const shown = document.getElementById("shown");
const nHistory = points.history.length;
const nSteps = nHistory + points.median.length;
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 5, signDisplay: "negative" });
const LEAST_SHOWN = 10;
const HEIGHT = 380;
const state = { at: nHistory, first: 0, hidden: new Set() };

function element(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const ticks = [];
  for (let tick = Math.ceil(low / step); tick * step <= high; tick += 1) ticks.push(tick * step);
  return ticks;
}

function visibleValues() {
  const values = points.history.slice(state.first).concat(points.median, points.bands[0].low, points.bands[0].high);
  if (points.backtest) {
    const skipped = Math.max(0, state.first - points.backtest.start);
    const { median, naive, bands } = points.backtest;
    if (!state.hidden.has("backtest")) values.push(...[median, bands[0].low, bands[0].high].flatMap((part) => part.slice(skipped)));
    if (!state.hidden.has("naive")) values.push(...naive.slice(skipped));
  }
  return values.filter((value) => value !== null);
}

function scales(width, height) {
  const values = visibleValues();
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
  const ticks = niceTicks(low - room, high + room, 5);
  const left = 14 + 7 * Math.max(...ticks.map((tick) => number.format(tick).length));
  const span = Math.max(1, nSteps - 1 - state.first);
  return {
    ticks, left, right: width - 10, top: 8, bottom: height - 26,
    x: (step) => left + ((step - state.first) / span) * (width - 10 - left),
    y: (value) => 8 + ((high + room - value) / (high - low + 2 * room)) * (height - 34),
    stepAt: (x) => Math.round(state.first + ((x - left) / (width - 10 - left)) * span),
  };
}

function line(values, start, scale) {
  let isPen = false;
  return values.map((value, i) => {
    if (value === null || start + i < state.first) { isPen = false; return ""; }
    const text = `${isPen ? "L" : "M"}${scale.x(start + i).toFixed(1)} ${scale.y(value).toFixed(1)}`;
    const isAlone = !isPen && (i + 1 === values.length || values[i + 1] === null);
    isPen = true;
    return isAlone ? `${text}h.01` : text;
  }).join("");
}

function band({ low, high }, start, scale) {
  const skipped = Math.max(0, state.first - start);
  const there = high.slice(skipped).map((value, i) => `${scale.x(start + skipped + i).toFixed(1)} ${scale.y(value).toFixed(1)}`);
  const back = low.slice(skipped).map((value, i) => `${scale.x(start + skipped + i).toFixed(1)} ${scale.y(value).toFixed(1)}`);
  return there.length ? `M${there.join("L")}L${back.reverse().join("L")}Z` : "";
}

function drawAxes(svg, scale) {
  for (const tick of scale.ticks) {
    const y = scale.y(tick);
    element("line", { class: "grid-line", x1: scale.left, x2: scale.right, y1: y, y2: y }, svg);
    element("text", { x: scale.left - 8, y: y + 4, "text-anchor": "end" }, svg).textContent = number.format(tick);
  }
  const room = 10.5 * Math.max(...points.times.map((label) => label.length)) + 12; // the first stands to the right of its place
  const last = Math.min(nSteps - 1 - state.first, Math.max(1, Math.floor((scale.right - scale.left) / room) - 1));
  for (let i = 0; i <= last; i += 1) {
    const step = state.first + Math.round((i * (nSteps - 1 - state.first)) / Math.max(1, last));
    drawTime(svg, scale, step, i === 0 ? "start" : i === last ? "end" : "middle");
  }
  if (nHistory) element("line", { class: "now", x1: scale.x(nHistory - 0.5), x2: scale.x(nHistory - 0.5), y1: scale.top, y2: scale.bottom }, svg);
}

function drawTime(svg, scale, step, anchor) {
  const place = { x: scale.x(step), y: scale.bottom + 20, "text-anchor": anchor };
  element("text", place, svg).textContent = points.times[step];
}

function drawFan(svg, scale, fan, start, classes) {
  for (const part of fan.bands) element("path", { class: classes.band, d: band(part, start, scale) }, svg);
  element("path", { class: classes.median, d: line(fan.median, start, scale) }, svg);
}

function draw() {
  const width = Math.max(240, box.clientWidth);
  const height = width < 520 ? 280 : HEIGHT;
  const scale = scales(width, height);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
  drawAxes(svg, scale);
  if (points.backtest && !state.hidden.has("backtest")) {
    drawFan(svg, scale, points.backtest, points.backtest.start, { band: "past-band", median: "past" });
  }
  if (points.backtest && !state.hidden.has("naive")) {
    element("path", { class: "naive", d: line(points.backtest.naive, points.backtest.start, scale) }, svg);
  }
  element("path", { class: "history", d: line(points.history, 0, scale) }, svg);
  drawFan(svg, scale, points, nHistory, { band: "band", median: "median" });
  state.cross = element("g", {}, svg);
  state.scale = scale;
  slider.replaceChildren(svg);
  read();
}

function valueAt(step) {
  return step < nHistory ? points.history[step] : points.median[step - nHistory];
}

function sentence(step) {
  const say = (value) => (value === null ? "missing" : number.format(value));
  const parts = [points.times[step]];
  if (step < nHistory) {
    parts.push(`was ${say(points.history[step])}`);
  } else {
    const outer = points.bands[0];
    const i = step - nHistory;
    parts.push(`forecast ${say(points.median[i])}, ${Math.round(outer.share * 100)} % between ${say(outer.low[i])} and ${say(outer.high[i])}`);
  }
  const i = points.backtest ? step - points.backtest.start : -1;
  if (i >= 0 && step < nHistory) {
    if (!state.hidden.has("backtest")) parts.push(`backtest ${say(points.backtest.median[i])}`);
    if (!state.hidden.has("naive")) parts.push(`seasonal naive ${say(points.backtest.naive[i])}`);
  }
  return parts.join(", ");
}

function read() {
  state.at = Math.min(nSteps - 1, Math.max(state.first, state.at));
  const { scale, cross, at } = state;
  const x = scale.x(at);
  const value = valueAt(at);
  cross.replaceChildren();
  element("line", { class: "cross", x1: x, x2: x, y1: scale.top, y2: scale.bottom }, cross);
  if (value !== null) element("circle", { class: "dot", cx: x, cy: scale.y(value), r: 4 }, cross);
  const text = sentence(at);
  reading.textContent = text;
  slider.setAttribute("aria-valuemin", state.first);
  slider.setAttribute("aria-valuenow", at);
  slider.setAttribute("aria-valuetext", text);
}

function onKey(event) {
  const jump = Math.max(2, Math.round((nSteps - state.first) / 10));
  const moves = {
    ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -jump, PageUp: jump, Home: -nSteps, End: nSteps,
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  state.at += moves[event.key];
  read();
}

function onPointer(event) {
  const bounds = slider.firstElementChild.getBoundingClientRect();
  state.at = state.scale.stepAt(event.clientX - bounds.left);
  read();
}

const slider = document.createElement("div");
const reading = document.createElement("p");
reading.className = "reading";
for (const [key, value] of Object.entries({
  role: "slider", tabindex: 0, "aria-label": `Chart of ${points.name}; arrow keys go from step to step`, "aria-valuemax": nSteps - 1,
})) slider.setAttribute(key, value);
slider.addEventListener("keydown", onKey);
slider.addEventListener("pointermove", onPointer);
slider.addEventListener("pointerdown", onPointer);
box.append(slider, reading);
document.getElementById("legend").hidden = false;

shown.min = Math.min(LEAST_SHOWN, nHistory);
shown.max = nHistory;
shown.value = Math.min(nHistory, Math.max(100, 5 * points.median.length));
shown.addEventListener("input", () => { state.first = nHistory - Number(shown.value); draw(); });
state.first = nHistory - Number(shown.value);
document.querySelectorAll("[data-layer]").forEach((layer) => {
  layer.addEventListener("change", () => {
    state.hidden[layer.checked ? "delete" : "add"](layer.dataset.layer);
    draw();
  });
});
new ResizeObserver(draw).observe(box);

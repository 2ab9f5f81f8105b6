// Draws the curves of a run. The server sends 500 points a series at most; of a longer history, zooming asks for the
// steps in sight again, with more of their points.
const place = document.getElementById("curves");
const over = () => document.querySelector("#over[data-over]") !== null;
const drawn = new Map();
const HEIGHT = 190;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const written = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

function columns(curve) {
  // Over time: seconds since 1970. Points of one step or moment stay in the order they were recorded in.
  const x = place.dataset.x === "time" ? curve.at.map((at) => at / 1000) : curve.step;
  return [x, curve.value];
}

function words(curve) {
  const values = curve.value.filter((value) => value !== null);
  if (!values.length) return "No value is a finite number.";
  const parts = [`${written.format(Math.min(...values))} to ${written.format(Math.max(...values))}, last ${written.format(values.at(-1))}`];
  if (curve.sampled) {
    parts.push("MLflow gave an even sample, so a peak between two points may be missing" +
      (place.dataset.x === "step" ? "; drag over a part to see more of it, double-click to go back" : ""));
  }
  if (curve.gaps) parts.push(`${written.format(curve.gaps)} ${curve.gaps === 1 ? "value is" : "values are"} not a finite number, shown as ${curve.gaps === 1 ? "a gap" : "gaps"}`);
  return `${parts.join(". ")}.`;
}

async function load(metric, steps) {
  const address = new URL(place.dataset.source, location.href);
  address.searchParams.set("metric", metric);
  if (steps) {
    address.searchParams.set("first", steps[0]);
    address.searchParams.set("last", steps[1]);
  }
  const answer = await fetch(address, { redirect: "error" });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.problem);
  return body;
}

function options(figure, width) {
  const axis = { stroke: () => colour("--fg-muted"), grid: { stroke: () => colour("--border"), width: 1 }, ticks: { show: false }, font: "12px Inter, sans-serif" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: { x: { time: place.dataset.x === "time" } },
    axes: [{ ...axis, size: 32 }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => written.format(tick)) }],
    series: [{}, {
      stroke: () => colour("--running-fg"),
      width: 1.5,
      points: { show: (plot) => plot.data[0].length < 60, size: 5, fill: () => colour("--running-fg") },
    }],
    hooks: { setCursor: [(plot) => read(figure, plot)], setScale: [(plot, scale) => scale === "x" && closer(figure, plot)] },
  };
}

function read(figure, plot) {
  const state = drawn.get(figure);
  if (!state) return;
  const index = plot.cursor.idx;
  const value = index === null || index === undefined ? null : plot.data[1][index];
  const at = index === null || index === undefined ? null : plot.data[0][index];
  const where = place.dataset.x === "time" && at !== null ? new Date(at * 1000).toLocaleTimeString() : `step ${at}`;
  figure.querySelector("[role=status]").textContent = value === null || value === undefined ? state.words : `${where}: ${written.format(value)}`;
}

// Of a history that was thinned: the part in sight with as many points as the whole had.
async function closer(figure, plot) {
  const state = drawn.get(figure);
  const { min, max } = plot.scales.x;
  if (!state || place.dataset.x === "time") return;
  if (!state.whole.sampled && state.whole.count === state.whole.step.length) return;
  const sight = `${min} ${max}`;
  if (state.sight === sight) return;
  state.sight = sight;
  const { step } = state.whole;
  if (min <= step[0] && max >= step.at(-1)) return;
  const part = await load(figure.dataset.metric, [Math.floor(min), Math.ceil(max)]).catch(() => null);
  if (!part || !part.step.length || state.sight !== sight) return;
  state.shown = part;
  plot.setData(columns(part), false);
  plot.setScale("x", { min, max });
}

function whole(figure) {
  const state = drawn.get(figure);
  if (!state || state.shown === state.whole) return;
  state.shown = state.whole;
  state.sight = "";
  state.plot.setData(columns(state.whole));
}

async function draw(figure) {
  const status = figure.querySelector("[role=status]");
  let curve;
  try {
    curve = await load(figure.dataset.metric);
  } catch (error) {
    status.textContent = `The curve could not be loaded. ${error.message}`;
    figure.hidden = false;
    return;
  }
  figure.dataset.state = "drawn";
  figure.hidden = curve.step.length < 2;
  const some = [...place.children].some((each) => !each.hidden);
  document.getElementById("no-curves").hidden = some || [...place.children].some((each) => !each.dataset.state);
  document.querySelector(".switch").hidden = !some;
  if (figure.hidden) return;
  const canvas = figure.querySelector(".plot");
  const state = drawn.get(figure);
  const text = words(curve);
  canvas.setAttribute("aria-label", `Curve of ${figure.dataset.metric}: ${text}`);
  status.textContent = text;
  if (state) {
    Object.assign(state, { whole: curve, shown: curve, words: text });
    state.plot.setData(columns(curve));
    return;
  }
  const plot = new uPlot(options(figure, canvas.clientWidth), columns(curve), canvas);
  drawn.set(figure, { plot, whole: curve, shown: curve, words: text, sight: "" });
  canvas.addEventListener("dblclick", () => whole(figure));
}

// One after another: each question may cost the tracking server a sort of a long history. What is in sight comes first.
let waiting = Promise.resolve();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    waiting = waiting.then(() => draw(entry.target));
  }
}, { rootMargin: "200px" });
for (const figure of place.children) {
  if (figure.hidden) waiting = waiting.then(() => draw(figure));
  else seen.observe(figure);
}

new ResizeObserver(() => {
  for (const [figure, { plot }] of drawn) {
    const width = figure.querySelector(".plot").clientWidth;
    if (width && width !== plot.width) plot.setSize({ width, height: HEIGHT });
  }
}).observe(place);

// Colours are read when something is drawn: with the theme, draw again.
new MutationObserver(() => {
  for (const { plot } of drawn.values()) plot.redraw();
}).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style"] });

setInterval(() => {
  if (document.hidden || over()) return;
  for (const figure of place.children) {
    const state = drawn.get(figure);
    const enlarged = state && state.shown !== state.whole;
    if (figure.dataset.state && !enlarged) waiting = waiting.then(() => draw(figure));
  }
}, 10_000);

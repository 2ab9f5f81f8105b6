const framed = window.parent !== window;

// Airflow's frame may neither open windows nor navigate the page around it. Both documents are of one origin, so the
// page around it can do it for us: a link in its own document is not sandboxed.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-top]");
  if (!link || !framed) return;
  event.preventDefault();
  const outside = window.parent.document;
  const again = outside.createElement("a");
  again.href = link.href;
  if ("new" in link.dataset || event.ctrlKey || event.metaKey || event.shiftKey) {
    again.target = "_blank";
    again.rel = "noopener";
  }
  outside.body.append(again);
  again.click();
  again.remove();
});

// A frame inside the frame is never wanted: a sign-in page or Airflow itself belongs outside.
if (!framed) for (const link of document.querySelectorAll("a[data-new]")) link.target = "_blank";

function timeZone() {
  try {
    return JSON.parse(localStorage.getItem("timezone")) || undefined;
  } catch {
    return undefined;
  }
}

// The zone chosen in Airflow, and Airflow's way to write a time, which Sweden shares.
function localTimes() {
  const options = { dateStyle: "short", timeStyle: "medium" };
  let format;
  try {
    format = new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: timeZone() });
  } catch {
    format = new Intl.DateTimeFormat("sv-SE", options);
  }
  for (const element of document.querySelectorAll("time[datetime]")) {
    if (!element.title) element.title = element.textContent;
    element.textContent = format.format(new Date(element.dateTime));
  }
}

function prepare() {
  localTimes();
  const form = document.querySelector("form.filter");
  if (form) form.querySelector("select").onchange = () => form.requestSubmit();
}

// What happens shows up without a reload, unless somebody is in the middle of reading or choosing.
const shown = new Map([...document.querySelectorAll(".live")].map((live) => [live.id, live.innerHTML]));

function busy(live) {
  return live.querySelector("details[open]") || live.contains(document.activeElement) || !getSelection().isCollapsed;
}

async function refresh() {
  const still = new URLSearchParams(location.search).has("page") || document.querySelector("#over[data-over]");
  const idle = [...document.querySelectorAll(".live")].filter((live) => !busy(live));
  if (document.hidden || still || !idle.length) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    const waiting = document.getElementById("waiting");
    if (answer.type === "opaqueredirect") return waiting && location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A run that was not on record when the page was opened, and a metric that is new, need the whole page.
    const curves = page.querySelectorAll(".curve").length > document.querySelectorAll(".curve").length;
    if (curves || (waiting && page.getElementById("more"))) return location.reload();
    for (const live of idle) {
      const next = page.getElementById(live.id);
      if (!next || next.innerHTML === shown.get(live.id)) continue;
      shown.set(live.id, next.innerHTML);
      live.replaceChildren(...document.importNode(next, true).childNodes);
    }
    prepare();
  } catch {
    // Signed out, or the server restarts: the page stays as it is, and a click tells.
  }
}

prepare();
setInterval(refresh, 10_000);

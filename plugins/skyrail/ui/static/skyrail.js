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
  if (form) {
    form.querySelector("button").hidden = true;
    form.querySelector("select").addEventListener("change", () => form.submit());
  }
}

// What happens shows up without a reload, unless somebody is in the middle of reading or choosing.
async function refresh() {
  const live = document.getElementById("live");
  const busy = live.querySelector("details[open]") || live.contains(document.activeElement) || !getSelection().isCollapsed;
  if (document.hidden || busy || new URLSearchParams(location.search).has("page")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (!next || next.innerHTML === refresh.last) return;
    refresh.last = next.innerHTML;
    live.replaceChildren(...document.importNode(next, true).childNodes);
    prepare();
  } catch {
    // Signed out, or the server restarts: the page stays as it is, and a click tells.
  }
}
refresh.last = document.getElementById("live").innerHTML;

prepare();
setInterval(refresh, 10_000);

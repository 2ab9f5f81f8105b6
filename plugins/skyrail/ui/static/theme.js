// Runs before anything is painted. Inside Airflow's frame the pages take over the colours that Airflow uses at that
// moment, also those of a changed theme; opened directly they follow the theme chosen in Airflow, or the browser's.
const NAMES = [
  "bg", "bg-subtle", "bg-muted", "fg", "fg-muted", "border", "border-emphasized", "brand-solid", "brand-fg", "brand-subtle",
  "brand-focus-ring", "success-fg", "success-subtle", "failed-fg", "failed-subtle", "running-fg", "running-subtle",
  "skipped-fg", "skipped-subtle", "warning-fg", "warning-subtle", "gray-fg", "gray-subtle",
];
const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function host() {
  try {
    return window.parent !== window && window.parent.document ? window.parent.document.documentElement : null;
  } catch {
    return null; // a frame on another site; the server forbids it, so this is only for good measure
  }
}

function chosen() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function applyTheme() {
  const outside = host();
  const theme = chosen();
  const dark = outside
    ? outside.classList.contains("dark")
    : theme === "dark" || (theme !== "light" && prefersDark.matches);
  root.classList.toggle("dark", dark);
  if (!outside) return;
  const colours = getComputedStyle(outside);
  for (const name of NAMES) {
    const value = colours.getPropertyValue(`--chakra-colors-${name}`).trim();
    if (value) root.style.setProperty(`--${name}`, value);
  }
}

// In a tab of a page of Airflow's, that page is the heading.
function inTab() {
  try {
    return window.parent !== window && /\/plugin\/skyrail-/.test(window.parent.location.pathname);
  } catch {
    return false;
  }
}

applyTheme();
root.classList.toggle("tab", inTab());
prefersDark.addEventListener("change", applyTheme);
window.addEventListener("storage", applyTheme);
if (host()) new MutationObserver(applyTheme).observe(host(), { attributes: true, attributeFilter: ["class", "style"] });

"use strict";
// Copies what a button carries; says what a mark of a chart stands for; hands over what a mark carries.
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return; } catch (error) { /* pages from files may not */ }
  const area = document.createElement("textarea");
  area.value = text; area.className = "away";
  document.body.append(area); area.select();
  document.execCommand("copy"); area.remove();
}
document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy]");
  if (button) {
    await copy(button.dataset.copy);
    button.textContent = "Copied"; button.classList.add("done");
    setTimeout(() => { button.textContent = "Copy"; button.classList.remove("done"); }, 1200);
    return;
  }
  const mark = event.target.closest("[data-pick]");
  if (mark) choose(mark);
});
// The structure of a mark that was clicked, under its chart, and in the commands that take it.
function choose(mark) {
  const place = mark.closest("section").querySelector(".picked");
  if (!place) return;
  const text = mark.dataset.pick, code = place.querySelector("code");
  code.textContent = "";
  for (const block of text.split(/(?<=\))/)) code.append(block, document.createElement("wbr"));
  place.querySelector("button").dataset.copy = text;
  const next = mark.closest("section").querySelector(".next"), name = mark.dataset.name;
  if (next && name) {
    const before = next.dataset.chosen;
    for (const each of next.querySelectorAll("code")) each.textContent = each.textContent.replaceAll(before, name);
    for (const each of next.querySelectorAll("button")) each.dataset.copy = each.dataset.copy.replaceAll(before, name);
    next.dataset.chosen = name;
  }
  for (const other of document.querySelectorAll(".mark.chosen")) other.classList.remove("chosen");
  mark.classList.add("chosen");
}
// One note for all marks: what each stands for, where the pointer is.
const note = document.createElement("div");
note.className = "tip"; note.hidden = true;
document.body.append(note);
document.addEventListener("pointerover", event => {
  const mark = event.target.closest("[data-said]");
  note.hidden = !mark;
  if (mark) note.textContent = mark.dataset.said;
});
document.addEventListener("pointermove", event => {
  if (note.hidden) return;
  const box = note.getBoundingClientRect();
  note.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
  note.style.top = (event.clientY + box.height + 24 > innerHeight ? event.clientY - box.height - 12 : event.clientY + 16) + "px";
});
// A list is filtered as one types; what is hidden stays ticked.
function filter() {
  const field = document.querySelector("[data-filter]"), text = field ? field.value.toLowerCase() : "";
  for (const row of document.querySelectorAll(".entries tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(text);
}
document.addEventListener("click", event => {
  const word = event.target.closest("[data-word]"), field = document.querySelector("[data-filter]");
  if (!word || !field) return;
  field.value = field.value === word.dataset.word ? "" : word.dataset.word;
  filter();
});
document.addEventListener("input", event => { if (event.target.matches("[data-filter]")) filter(); });
// A page of a server takes its content anew when something changed: ticks, the filter and the place on the page are kept.
async function renew() {
  const answer = await fetch(location.href);
  if (!answer.ok && answer.status !== 404) return; // of a run that is gone it is said; of one that is written just now it is known soon
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const chosen = [...document.querySelectorAll("[data-explorer] select")].map(each => each.value);
  const ticked = [...document.querySelectorAll("input:checked")].map(each => each.value), field = document.querySelector("[data-filter]");
  for (const name of ["header", "main"]) {
    const old = document.querySelector(name), now = document.importNode(fresh.querySelector(name), true);
    if (field) { const place = now.querySelector("[data-filter]"); if (place) place.value = field.value; }
    for (const box of now.querySelectorAll("input[type=checkbox]")) box.checked = ticked.includes(box.value);
    [...now.querySelectorAll("[data-explorer] select")].forEach((select, n) => { if (chosen[n]) select.value = chosen[n]; });
    const focused = document.activeElement === field && name === "main";
    old.replaceWith(now);
    if (focused) now.querySelector("[data-filter]")?.focus();
  }
  filter();
  explore();
}
// A chart with axes to choose: places of all points along each column are in its data, from 0 to 1, with the ticks.
function explore() { for (const choice of document.querySelectorAll("[data-explorer]")) {
  const data = JSON.parse(document.getElementById(choice.dataset.explorer).textContent);
  const svg = choice.querySelector("figure.chart .scroll > svg"), frame = data.frame;
  const x = share => frame.left + share * (frame.right - frame.left), y = share => frame.bottom - share * (frame.bottom - frame.top);
  const made = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const draw = () => {
    const [across, up] = ["x", "y"].map(name => data.columns[choice.querySelector(`select[name=${name}]`).value]);
    svg.replaceChildren();
    for (const [share, label] of up.ticks) svg.append(made("path", {class: "grid", d: `M${frame.left} ${y(share)}H${frame.right}`}), made("text", {class: "end", x: frame.left - 8, y: y(share) + 4}, label));
    for (const [share, label] of across.ticks) svg.append(made("path", {class: "grid", d: `M${x(share)} ${frame.top}V${frame.bottom}`}), made("text", {class: "mid", x: x(share), y: frame.bottom + 18}, label));
    const middle = (frame.top + frame.bottom) / 2;
    svg.append(made("text", {class: "mid name", x: (frame.left + frame.right) / 2, y: frame.bottom + 40}, across.label));
    svg.append(made("text", {class: "mid name", x: 14, y: middle, transform: `rotate(-90 14 ${middle})`}, up.label));
    // what is proven stands above, or beside, whatever else is looked at
    if (up.bound !== null) svg.append(made("path", {class: "line t-out", d: `M${frame.left} ${y(up.bound)}H${frame.right}`}));
    if (across.bound !== null) svg.append(made("path", {class: "line t-out", d: `M${x(across.bound)} ${frame.top}V${frame.bottom}`}));
    const dots = [];
    across.places.forEach((share, n) => { if (share !== null && up.places[n] !== null) dots.push(`M${x(share).toFixed(1)} ${y(up.places[n]).toFixed(1)}h0`); });
    svg.append(made("path", {class: "cloud t-cloud", d: dots.join("")}));
    // the winner is drawn last, above those that lie where it does
    const order = data.marks.map((mark, n) => [mark, n]).sort((a, b) => a[0].winner - b[0].winner);
    order.forEach(([mark, n]) => {
      const a = across.marks[n], b = up.marks[n];
      if (a === null || b === null) return;
      const shape = mark.winner ? `M${x(a)} ${y(b) - 9}l9 9l-9 9l-9 -9z` : `M${x(a) - 4.5} ${y(b)}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z`;
      svg.append(made("path", {class: "mark t-" + (mark.winner ? "done" : "best"), d: shape, "data-pick": mark.structure, "data-name": mark.name, "data-said": mark.said}));
    });
    svg.setAttribute("aria-label", `${up.label} against ${across.label}: ${data.marks.length} networks that stand out among ${dots.length}`);
  };
  for (const select of choice.querySelectorAll("select")) select.addEventListener("change", draw);
  draw();
} }
explore();
if (document.body.dataset.live) new EventSource(document.body.dataset.live).onmessage = renew;

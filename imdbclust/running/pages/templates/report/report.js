"use strict";
// Sort and filter complete tables. Without JavaScript the pages stay complete.

const FILTERED_FROM = 20; // rows; shorter tables need no filter

const order = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  const [x, y] = [a, b].map((text) => (text === "" ? NaN : Number(text.replaceAll(",", ""))));
  return x === x && y === y ? x - y : order.compare(a, b);
}

function isMissing(text) {
  return text === "" || text === "\u2013";
}

function addTools(table, number) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const text = (row, column) => row.cells[column].textContent;
  const heads = [...table.tHead.rows[0].cells];

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" };
      const now = next[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", now);
      const sign = now === "descending" ? -1 : 1;
      const sorted = now === "none" ? rows : [...rows].sort((one, other) => {
        const [a, b] = [text(one, column), text(other, column)];
        // missing values are last in both directions
        return isMissing(a) || isMissing(b) ? isMissing(a) - isMissing(b) : sign * compare(a, b);
      });
      body.append(...sorted);
    });
  });

  if (rows.length < FILTERED_FROM) return;
  const tools = document.createElement("p");
  tools.className = "tools";
  const label = document.createElement("label");
  label.htmlFor = `filter-${number}`;
  label.textContent = "Filter rows";
  const input = document.createElement("input");
  Object.assign(input, { type: "search", id: label.htmlFor, autocomplete: "off" });
  const count = document.createElement("output");
  count.htmlFor = input.id;
  count.textContent = `${rows.length} rows`;
  const about = (table.caption || table.closest("details").firstElementChild).textContent;
  input.setAttribute("aria-label", `Filter rows: ${about}`);
  tools.append(label, input, count);
  table.closest(".scroll").before(tools);

  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += !row.hidden;
    });
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
  });
}

document.querySelectorAll("table.full").forEach(addTools);

// Only boxes that scroll can be focused with the tab key.
const watch = new ResizeObserver((entries) => entries.forEach(({ target: box }) => {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  if (scrolls) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}));
document.querySelectorAll(".scroll, pre").forEach((box) => watch.observe(box));

// What an address leads to is unfolded, also within folded sections.
function unfold() {
  const target = document.querySelector(":target");
  if (!target) return;
  const inside = target.matches(".folded") ? [target.querySelector("details")] : [];
  for (let one = target.closest("details"); one; one = one.parentElement.closest("details")) inside.push(one);
  inside.forEach((one) => { one.open = true; });
  if (inside.length) target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
unfold();

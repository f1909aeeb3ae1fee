"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function valueOf(row, column, isNumber) {
    const cell = row.cells[column];
    const raw = cell.dataset.value ?? cell.textContent;
    if (!isNumber) return raw.trim();
    const number = raw === "inf" ? Infinity : raw === "-inf" ? -Infinity : raw === "" ? NaN : Number(raw);
    return number;
  }

  function compare(a, b, isNumber) {
    if (!isNumber) return a.localeCompare(b, undefined, { numeric: true });
    return a === b ? 0 : a < b ? -1 : 1;
  }

  function sortBy(table, column, heading) {
    const isNumber = "number" in heading.dataset;
    const first = isNumber ? "descending" : "ascending";
    const second = isNumber ? "ascending" : "descending";
    const order = heading.getAttribute("aria-sort") === first ? second : first;
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, value: valueOf(row, column, isNumber) }));
    const isKnown = ({ value }) => !Number.isNaN(value);
    const known = keyed.filter(isKnown).sort((a, b) => sign * compare(a.value, b.value, isNumber));
    const unknown = keyed.filter((entry) => !isKnown(entry));
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", order);
    body.append(...[...known, ...unknown].map(({ row }) => row));
  }

  function makeSortable(table) {
    all("thead th", table).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sortBy(table, column, heading));
      heading.replaceChildren(button);
    });
  }

  function textOf(row) {
    return all("th, td", row).map((cell) => `${cell.title} ${cell.textContent}`).join(" ").toLowerCase();
  }

  function makeFilterable(table) {
    const search = document.querySelector(`[data-filter="${table.id}"]`);
    const onlyWrong = document.querySelector(`[data-only-wrong="${table.id}"]`);
    const count = document.querySelector(`[data-count="${table.id}"]`);
    const rows = [...table.tBodies[0].rows];
    const texts = new Map(rows.map((row) => [row, textOf(row)]));
    const update = () => {
      const wanted = search.value.toLowerCase().trim();
      let shown = 0;
      for (const row of rows) {
        const isShown = texts.get(row).includes(wanted) && (!onlyWrong.checked || row.classList.contains("wrong"));
        row.hidden = !isShown;
        shown += isShown;
      }
      count.textContent = `${shown} of ${rows.length} ${count.dataset.what} shown`;
    };
    search.addEventListener("input", update);
    onlyWrong.addEventListener("change", update);
    search.closest(".controls").hidden = false;
    update();
  }

  function unfoldInPrint() {
    let opened = [];
    const open = () => {
      opened = all("details:not([open])");
      opened.forEach((details) => { details.open = true; });
    };
    const close = () => {
      opened.forEach((details) => { details.open = false; });
      opened = [];
    };
    window.addEventListener("beforeprint", open);
    window.addEventListener("afterprint", close);
  }

  all("table.sortable").forEach((table) => {
    makeSortable(table);
    makeFilterable(table);
  });
  unfoldInPrint();
})();

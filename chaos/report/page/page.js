// Adds what only a pointer can ask for: the figures of the second under it.
// And unfolds what a link leads to, and all reasons before they are printed.
(() => {
  "use strict";
  const table = document.getElementById("seconds");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const step = table ? Number(table.dataset.step) : 1;
  for (const figure of document.querySelectorAll("figure.chart")) {
    const svg = figure.querySelector("svg"), line = svg.querySelector(".cursor"), out = figure.querySelector(".readout");
    const from = Number(figure.dataset.from), to = Number(figure.dataset.to);
    svg.addEventListener("pointermove", (e) => {
      const box = svg.getBoundingClientRect(), share = (e.clientX - box.left) / box.width;
      if (share < 0 || share >= 1) return;
      const at = from + share * (to - from);
      const row = rows[Math.floor(at / step)];
      line.setAttribute("x1", 100 * share + "%");
      line.setAttribute("x2", 100 * share + "%");
      line.classList.add("on");
      if (!row) return;
      const [s, intended, ok, degraded, failed, unknown, p50, p99] = [...row.cells].map((c) => c.textContent);
      out.textContent = `${s} s: ${intended} intended, ${ok} ok, ${degraded} degraded, ${failed} failed, ${unknown} unknown; p50 ${p50}, p99 ${p99}`;
    });
    svg.addEventListener("pointerleave", () => {
      line.classList.remove("on");
      out.textContent = "";
    });
  }
  const unfold = () => {
    let at = document.getElementById(location.hash.slice(1));
    for (const to = at; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (!at.parentElement) to.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();
  addEventListener("beforeprint", () => document.querySelectorAll("header details").forEach((d) => { d.open = true; }));
})();

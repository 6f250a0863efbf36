/* Notes every figure of a diagnosis as it stands in the document, not as it was written into the file. */
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
document.addEventListener("securitypolicyviolation", (event) => { document.body.dataset.refused = event.blockedURI; });
const text = (node) => node ? node.textContent.trim().replace(/\s+/g, " ") : "";
const all = (node, query, map) => [...node.querySelectorAll(query)].map(map);
const at = (node, name) => node[name].baseVal.value ?? node[name].baseVal[0].value;
const style = (node) => [...node.classList].filter((name) => name !== "label").join(" ");
const drawing = (svg) => ({
  ticks: all(svg, "text.tick", (t) => [t.textContent, t.getAttribute("text-anchor"), at(t, "x"), at(t, "y")]),
  labels: all(svg, "text.label", (t) => [t.textContent, style(t)]),
  curves: all(svg, "polyline", (line) => [line.getAttribute("class"), [...line.points].map((p) => [p.x, p.y])]),
  points: all(svg, "circle", (c) => [c.getAttribute("class"), at(c, "cx"), at(c, "cy")]),
});
const bar = (row) => [text(row.cells[0]), parseFloat(row.querySelector("span").style.width), text(row.cells[2])];
const figure = (node) => ({
  section: text(node.closest("section").querySelector("h2")),
  heading: text(node.querySelector("h3")),
  drawings: all(node, "svg.chart", drawing),
  bars: all(node, ".bars tr", bar),
  rows: all(node, ".numbers tbody tr", (row) => [text(row.cells[0]), all(row, "data", (data) => data.value)]),
});
const finding = (node) => ({
  name: node.dataset.name,
  severity: text(node.querySelector(".severity")),
  words: text(node),
  evidence: all(node, ".evidence data", (data) => data.value),
  remedies: all(node, ".remedies li", text),
});
const strip = (node) => [text(node.querySelector("h3")), all(node, "pre i", (piece) => piece.className)];
document.body.dataset.page = JSON.stringify({
  verdict: text(document.querySelector(".verdict")),
  facts: all(document, ".facts dd", text),
  sections: all(document, "main section", text),
  findings: all(document, "article.finding", finding),
  figures: all(document, "figure:not(.strip)", figure),
  strips: all(document, "figure.strip", strip),
  compared: all(document, ".compared data", (data) => [data.dataset.layer, data.dataset.name, data.value]),
});
document.body.dataset.width = document.documentElement.scrollWidth + "/" + window.innerWidth;

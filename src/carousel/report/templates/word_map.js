// Zooms and moves the map, finds words, and reads out neighbours. Without this script the page is a still picture.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("words-data").textContent);
  document.documentElement.classList.add("js");
  const map = document.getElementById("map");
  const links = document.getElementById("links");
  const reading = document.getElementById("reading");
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const hint = reading.textContent;
  const { width, height } = map.viewBox.baseVal;
  const dots = [...document.querySelectorAll(".dot")].map((node, k) => ({
    node, k, word: data.words[k], label: node.querySelector("text"),
    x: Number(node.dataset.x), y: Number(node.dataset.y), wide: 6.6 * data.words[k].length,
  }));
  const place = new Map(dots.map((dot) => [dot.word, dot]));
  const view = { scale: 1, x: 0, y: 0 };
  let unit = 1; // of the drawing, in a pixel of the screen: letters keep their size on a phone
  let chosen = null;

  // labels: those before others in the list go first, as in the still picture
  const uncrowd = () => {
    const cell = 40 * unit, line = 13 * unit, taken = new Map();
    const first = [".chosen", ".hit", ".near", ":not(.chosen, .hit, .near)"];
    const order = new Set(first.flatMap((kind) => dots.filter((dot) => dot.node.matches(kind))));
    for (const dot of order) {
      const wide = dot.wide * unit * (dot.node.matches(".chosen, .hit") ? 1.35 : 1), left = dot.x * view.scale + view.x + 6 * unit, middle = dot.y * view.scale + view.y;
      if (left + wide < 0 || left > width || middle < 0 || middle > height) {
        dot.label.classList.add("crowded");
        continue;
      }
      const cells = [];
      for (let a = Math.floor(left / cell); a <= Math.floor((left + wide) / cell); a++)
        for (let b = Math.floor((middle - line) / cell); b <= Math.floor((middle + line) / cell); b++) cells.push(a + " " + b);
      const free = !cells.some((at) => (taken.get(at) || []).some(([other, row, size]) =>
        left < other + size && other < left + wide && Math.abs(middle - row) < line));
      if (free) for (const at of cells) taken.set(at, [...(taken.get(at) || []), [left, middle, wide]]);
      dot.label.classList.toggle("crowded", !free);
    }
  };

  const link = () => {
    links.replaceChildren();
    if (!chosen) return;
    for (const [word] of data.near[chosen.k]) {
      const other = place.get(word);
      if (!other) continue;
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const ends = { x1: chosen.x, y1: chosen.y, x2: other.x, y2: other.y };
      for (const [name, value] of Object.entries(ends))
        line.setAttribute(name, value * view.scale + (name[0] === "x" ? view.x : view.y));
      links.append(line);
    }
  };

  const draw = () => {
    unit = width / (map.getBoundingClientRect().width || width);
    map.style.setProperty("--unit", unit);
    for (const dot of dots) {
      dot.node.setAttribute("transform", `translate(${dot.x * view.scale + view.x} ${dot.y * view.scale + view.y})`);
      dot.label.setAttribute("x", 6 * unit);
      dot.label.setAttribute("y", 4 * unit);
    }
    link();
    uncrowd();
  };

  const zoom = (factor, x = width / 2, y = height / 2) => {
    const scale = Math.min(60, Math.max(0.5, view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    draw();
  };
  const all = () => { Object.assign(view, { scale: 1, x: 0, y: 0 }); draw(); };
  const go = (dot) => {
    view.scale = Math.max(view.scale, 2);
    view.x = width / 2 - dot.x * view.scale;
    view.y = height / 2 - dot.y * view.scale;
    draw();
  };

  const mark = (dot) => {
    for (const each of dots) each.node.classList.remove("chosen", "near");
    chosen = dot;
    if (dot) {
      dot.node.classList.add("chosen");
      dot.node.parentNode.append(dot.node); // above the others
      const count = data.counts[dot.k];
      reading.replaceChildren(Object.assign(document.createElement("b"), { textContent: dot.word }));
      reading.append(count === null ? " is nearest to " : `, seen ${count.toLocaleString("en")} times, is nearest to `);
      data.near[dot.k].forEach(([word, cosine], k) => {
        if (place.has(word)) place.get(word).node.classList.add("near");
        const piece = document.createElement("span");
        piece.textContent = `${word} ${cosine.toFixed(2)}`;
        reading.append(k ? ", " : "", piece);
      });
    } else reading.textContent = hint;
  };
  const choose = (dot) => { if (dot !== chosen) { mark(dot); draw(); } };

  const matches = () => {
    const wanted = search.value.trim().toLowerCase();
    if (!wanted) return [];
    const starts = dots.filter((dot) => dot.word.toLowerCase().startsWith(wanted));
    const exact = starts.filter((dot) => dot.word.toLowerCase() === wanted);
    const inside = dots.filter((dot) => !starts.includes(dot) && dot.word.toLowerCase().includes(wanted));
    return [...new Set([...exact, ...starts, ...inside])];
  };
  const look = () => {
    const hits = matches();
    map.classList.toggle("searching", search.value.trim() !== "");
    for (const dot of dots) dot.node.classList.toggle("hit", hits.includes(dot));
    found.textContent = !search.value.trim() ? "" : hits.length ? `${hits.length.toLocaleString("en")} of ${dots.length.toLocaleString("en")} words; Enter goes to ${hits[0].word}` : "not among the words shown";
    mark(hits.length ? hits[0] : null);
    draw();
  };
  search.addEventListener("input", look);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { const [first] = matches(); if (first) go(first); }
    if (event.key === "Escape") { search.value = ""; look(); }
  });

  const at = (event) => {
    const box = map.getBoundingClientRect();
    return [(event.clientX - box.left) * width / box.width, (event.clientY - box.top) * height / box.height];
  };
  const nearest = ([x, y]) => {
    let best = null, least = (18 * unit) ** 2; // a finger's width
    for (const dot of dots) {
      const distance = (dot.x * view.scale + view.x - x) ** 2 + (dot.y * view.scale + view.y - y) ** 2;
      if (distance < least) [best, least] = [dot, distance];
    }
    return best;
  };
  map.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), ...at(event)); }, { passive: false });
  const fingers = new Map();
  map.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, at(event));
    map.setPointerCapture(event.pointerId);
    map.classList.add("moving");
    choose(nearest(at(event)));
  });
  map.addEventListener("pointermove", (event) => {
    const now = at(event), before = fingers.get(event.pointerId);
    if (!before) { const dot = nearest(now); if (dot) choose(dot); return; }
    const other = [...fingers].find(([id]) => id !== event.pointerId);
    if (other) {
      const apart = (point) => Math.hypot(point[0] - other[1][0], point[1] - other[1][1]) || 1;
      zoom(apart(now) / apart(before), ...other[1]);
    } else {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      draw();
    }
    fingers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"])
    map.addEventListener(name, (event) => { fingers.delete(event.pointerId); if (!fingers.size) map.classList.remove("moving"); });
  const keys = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  map.addEventListener("keydown", (event) => {
    if (keys[event.key]) { view.x += keys[event.key][0]; view.y += keys[event.key][1]; draw(); }
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") all();
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-zoom]"))
    button.addEventListener("click", () => (Number(button.dataset.zoom) ? zoom(Number(button.dataset.zoom)) : all()));

  window.addEventListener("resize", draw);
  draw();
  document.body.dataset.ready = "yes";
})();

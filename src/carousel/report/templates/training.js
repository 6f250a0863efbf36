// Recolours the text by another gate or unit and reads out numbers. Without this script the page still shows
// every figure in its first state.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("units-data").textContent);
  document.documentElement.classList.add("js");
  if (!data) return;
  const steps = 20;
  const minus = (value) => value.toFixed(2).replace("-", "\u2212");

  const colour = (figure) => {
    const values = figure.unit.values[figure.name];
    const [signed, centre, scale] = figure.unit.shading[figure.name];
    figure.pieces.forEach((piece, k) => {
      const share = (values[k] / 100 - centre) / scale;
      const kind = signed ? (share >= 0 ? "p" : "n") : "a";
      piece.className = kind + Math.min(steps, Math.round(Math.abs(share) * steps));
    });
    figure.buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.name === figure.name)));
  };

  const read = (figure, piece) => {
    const k = figure.pieces.indexOf(piece);
    if (k < 0) return;
    const numbers = Object.entries(figure.unit.values).map(([name, values]) => `${name} ${minus(values[k] / 100)}`);
    figure.reading.textContent = `${JSON.stringify(piece.textContent.replace("\u21b5", ""))}   ${numbers.join("   ")}`;
  };

  const start = (element) => {
    const text = element.querySelector("pre");
    const figure = {
      unit: data.units[Number(element.dataset.unit)],
      pieces: [...text.querySelectorAll("i")],
      buttons: [...element.querySelectorAll("button")],
      reading: element.querySelector("output"),
    };
    figure.name = figure.unit.state;
    figure.buttons.forEach((button) => button.addEventListener("click", () => {
      figure.name = button.dataset.name;
      colour(figure);
    }));
    for (const event of ["pointerover", "click"]) {
      text.addEventListener(event, (happened) => read(figure, happened.target.closest("i")));
    }
    return figure;
  };

  const explorer = document.querySelector(".explorer");
  if (explorer) {
    explorer.querySelector("pre").append(...[...document.querySelectorAll(".strip pre i")]
      .slice(0, document.querySelector(".strip pre").children.length).map((piece) => piece.cloneNode(true)));
  }
  const figures = [...document.querySelectorAll(".strip")].map(start);
  if (explorer) {
    const figure = figures[figures.length - 1];
    const select = explorer.querySelector("select");
    data.units.forEach((unit, k) => select.add(new Option(unit.heading, k)));
    const show = () => {
      figure.unit = data.units[Number(select.value)];
      explorer.querySelector("figcaption").textContent = figure.unit.sentence;
      explorer.querySelector("h3").textContent = figure.unit.heading;
      colour(figure);
    };
    select.value = explorer.dataset.unit;
    select.addEventListener("change", show);
    show();
  }
  document.documentElement.dataset.ready = "yes";
})();

/* This computer: a card a series, its samples as dots, each window's least to greatest value as a band and its average as a bar across. */
const Cards = (() => {
  const HEIGHT = 132;

  const windows = (source, series, column) => {
    const tier = source.tiers[0];
    const line = series.tiers[tier.name];
    if (!line) return [];
    const value = column(line.value), low = column(line.low) ?? value, high = column(line.high) ?? value;
    return Array.from(value, (average, i) => ({
      from: (tier.start + i * tier.step) / 1000, to: (tier.start + (i + 1) * tier.step) / 1000, average, low: low[i], high: high[i],
    })).filter((window) => !Number.isNaN(window.average));
  };

  const drawWindows = (found) => (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const window of found) {
      const x = u.valToPos(window.from, "x", true) + 1, right = u.valToPos(window.to, "x", true) - 1;
      const high = u.valToPos(window.high, "y", true), low = u.valToPos(window.low, "y", true);
      ctx.fillStyle = Format.color("accent-soft");
      ctx.fillRect(x, high, right - x, Math.max(low - high, 1));
      ctx.fillStyle = Format.color("accent");
      ctx.fillRect(x, u.valToPos(window.average, "y", true) - devicePixelRatio, right - x, 2 * devicePixelRatio);
    }
    ctx.restore();
  };

  const options = (series, width, found, bands, readout) => ({
    width, height: HEIGHT, legend: { show: false }, tzDate: Format.utc, padding: [8, 6, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6, fill: Format.color("accent") } },
    scales: {
      y: {
        range: (u, low, high) => {
          const values = found.flatMap((window) => [window.low, window.high]).concat([low, high]).filter(Number.isFinite);
          const least = Math.min(...values), most = Math.max(...values);
          // A flat line keeps its place in the middle, and nothing that cannot be negative gets room below zero.
          const room = (most - least) * 0.12 || Math.abs(most) * 0.05 || 1;
          return [least >= 0 ? Math.max(0, least - room) : least - room, most + room];
        },
      },
    },
    axes: [
      Format.axis({ space: 70, size: 26, values: (u, splits) => splits.map((s) => Format.time(s * 1000, true).slice(3)) }),
      Format.axis({ size: 74, space: 30, values: (u, splits) => splits.map((v) => Format.value(v, series.unit)) }),
    ],
    series: [
      {},
      { stroke: Format.color("muted"), width: 1, spanGaps: true, points: { show: true, size: 3.5, fill: Format.color("muted") } },
    ],
    hooks: {
      drawAxes: [drawWindows(found), Bands.drawn(bands, (span) => span.name)],
      setCursor: [(u) => readout(u.cursor.idx)],
    },
  });

  const describe = (labels) => Object.entries(labels)
    .filter(([name]) => !["host", "job"].includes(name)).map(([, value]) => value).join(" ");

  const card = (source, series, column) => {
    const seconds = column(series.raw.ts), values = column(series.raw.value);
    const times = Array.from(seconds, (s) => series.raw.start / 1000 + s);
    const samples = Array.from(values, (v) => (Number.isNaN(v) ? null : v));
    const found = windows(source, series, column);
    const now = Format.element("span", { class: "now" });
    const place = Format.element("div", { class: "chart" });
    const bands = Bands.concerning(source, [series]);
    const last = samples.length - 1;
    const readout = (i) => {
      now.textContent = Format.value(samples[i ?? last], series.unit);
    };
    readout(null);
    const name = Format.element("span", { class: "name", title: series.metric }, series.name, " ");
    name.append(Format.element("i", {}, describe(series.labels)));
    return {
      node: Format.element("article", { class: "card" }, Format.element("header", {}, name, now), place),
      draw: () => {
        place.replaceChildren();
        new uPlot(options(series, place.clientWidth, found, bands, readout), [times, samples], place);
      },
    };
  };

  const show = (source, column) => {
    const section = document.getElementById("computer");
    section.querySelector("h2").textContent = source.title;
    section.querySelector(".note").textContent = source.note;
    const cards = source.series.filter((series) => series.raw).map((series) => card(source, series, column));
    section.querySelector(".cards").append(...cards.map((each) => each.node));
    return () => cards.forEach((each) => each.draw());
  };
  return { show };
})();

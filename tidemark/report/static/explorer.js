/* The fleet: one metric at a time, a line a host; zoom by dragging, resolution by what fits, windows that late samples corrected marked. */
const Explorer = (() => {
  const HEIGHT = 340;
  const COLORS = 8;
  const state = { metric: null, solo: null, tier: null, from: null, to: null };
  let source, column, chart, redrawMinis;

  const byId = (id) => document.getElementById(id);
  const hosts = () => [...new Set(source.series.map((series) => series.labels.host))].sort();
  const color = (host) => Format.color(`c${hosts().indexOf(host) % COLORS}`);
  const metrics = () => [...new Set(source.series.map((series) => series.metric))];
  const seriesOf = (metric) => source.series.filter((series) => series.metric === metric)
    .sort((a, b) => a.labels.host.localeCompare(b.labels.host));
  const tierOf = (name) => source.tiers.find((tier) => tier.name === name);

  /* The finest tier with no more points in view than the chart has room for. */
  const fitting = (width) => {
    if (state.tier) return tierOf(state.tier);
    const day = source.tiers[0];
    const from = state.from ?? day.start, to = state.to ?? day.start + day.windows * day.step;
    return source.tiers.find((tier) => (to - from) / tier.step <= 2 * width) ?? source.tiers[source.tiers.length - 1];
  };

  const visible = () => seriesOf(state.metric).filter((series) => !state.solo || series.labels.host === state.solo);

  const named = (span) => (state.solo || !span.about ? span.name : `${span.name} ${span.about}`);

  const marks = (tier, shown) => (u) => {
    const { ctx } = u;
    const floor = u.bbox.top + u.bbox.height;
    const size = 3.5 * devicePixelRatio;
    for (const { line, host } of shown) {
      ctx.fillStyle = color(host);
      for (const [window] of line.late) {
        const x = u.valToPos((tier.start + window * tier.step) / 1000, "x", true);
        if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(x - size, floor);
        ctx.lineTo(x + size, floor);
        ctx.lineTo(x, floor - 2 * size);
        ctx.fill();
      }
    }
  };

  const readout = (tier, shown, spans, i) => {
    const place = byId("readout");
    if (i == null) {
      const changed = shown.reduce((sum, { line }) => sum + line.late.length, 0);
      const hint = `Triangles on the time axis: ${Format.whole(changed)} windows that late samples corrected. `
        + (spans.length ? "Shaded: when alerts on this metric fire. " : "") + "Drag across the chart to zoom, double-click to see the whole day.";
      place.replaceChildren(Format.element("i", {}, hint));
      return;
    }
    const unit = visible()[0].unit;
    const parts = shown.map(({ host, value, low, high, line }) => {
      const part = Format.element("span", {}, Format.element("b", { class: "swatch", style: { background: color(host) } }), host, " ");
      part.append(Format.element("b", {}, Format.value(value[i], unit)));
      if (low && !Number.isNaN(low[i])) part.append(Format.element("i", {}, `${Format.value(low[i], unit)} to ${Format.value(high[i], unit)}`));
      const late = line.late.find(([window]) => window === i);
      if (late) part.append(Format.element("em", {}, `${late[1]} late`));
      return part;
    });
    const begin = tier.start + i * tier.step;
    const firing = spans.filter((span) => span.from < begin + tier.step && span.to > begin).map((span) => Format.element("em", {}, named(span), " fires"));
    const time = Format.instant(begin, tier.step < 60000);
    place.replaceChildren(Format.element("span", {}, Format.element("i", {}, `${time}, ${tier.name}`)), ...parts, ...firing);
  };

  const rows = (tier) => visible().map((series) => {
    const line = series.tiers[tier.name];
    const get = (place) => (place ? column(place) : null);
    return { host: series.labels.host, line, value: get(line.value), low: get(line.low), high: get(line.high) };
  });

  const plotted = (numbers) => Array.from(numbers, (v) => (Number.isNaN(v) ? null : v));

  const draw = () => {
    const place = byId("chart");
    const width = place.clientWidth;
    const tier = fitting(width);
    const shown = rows(tier);
    const spans = Bands.concerning(source, visible());
    const unit = visible()[0].unit;
    const times = Array.from({ length: tier.windows }, (_, i) => (tier.start + i * tier.step) / 1000);
    const data = [times], series = [{}], bands = [];
    for (const { host, value, low, high } of shown) {
      const stroke = color(host);
      // Bands of many hosts would lie on one another; of one host the band shows its spread.
      if (low && shown.length === 1) {
        bands.push({ series: [series.length, series.length + 1], fill: stroke + "30" });
        data.push(plotted(high), plotted(low));
        series.push({ width: 0, stroke: "transparent", points: { show: false } }, { width: 0, stroke: "transparent", points: { show: false } });
      }
      data.push(plotted(value));
      series.push({ stroke, width: shown.length === 1 ? 1.7 : 1.25, points: { show: tier.windows < 40, size: 5, fill: stroke } });
    }
    const from = (state.from ?? times[0] * 1000) / 1000, to = (state.to ?? times[times.length - 1] * 1000) / 1000;
    if (chart) chart.destroy();
    chart = new uPlot({
      width, height: HEIGHT, legend: { show: false }, tzDate: Format.utc, padding: [12, 14, 0, 0],
      scales: { x: { range: [from, to] }, y: { range: (u, low, high) => [low >= 0 ? 0 : low * 1.1, (high || 1) * 1.06] } },
      axes: [
        Format.axis({ space: 80, size: 30, values: (u, splits) => splits.map((s) => Format.time(s * 1000, to - from < 600)) }),
        Format.axis({ size: 78, values: (u, splits) => splits.map((v) => Format.value(v, unit)) }),
      ],
      series, bands,
      cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
      hooks: {
        drawAxes: [Bands.drawn(spans, named)],
        draw: [marks(tier, shown)],
        setCursor: [(u) => readout(tier, shown, spans, u.cursor.idx)],
        setSelect: [(u) => {
          if (u.select.width < 6) return;
          state.from = u.posToVal(u.select.left, "x") * 1000;
          state.to = u.posToVal(u.select.left + u.select.width, "x") * 1000;
          show();
        }],
      },
    }, data, place);
    chart.over.addEventListener("dblclick", whole);
    readout(tier, shown, spans, null);
    byId("showing").textContent = `${tier.name} windows: ${shown.length === 1 ? "average, least to greatest" : "averages"}`;
    byId("reset").hidden = state.from === null;
  };

  const whole = () => { state.from = state.to = null; show(); };

  const pressed = (button, on) => { button.setAttribute("aria-pressed", on); return button; };

  const controls = () => {
    const tiers = [[null, "auto"], ...source.tiers.map((tier) => [tier.name, tier.name])].map(([name, text]) =>
      pressed(Format.element("button", { type: "button", onclick: () => { state.tier = name; show(); } }, text), state.tier === name));
    byId("tiers").replaceChildren(...tiers);
    const all = pressed(Format.element("button", { type: "button", onclick: () => { state.solo = null; show(); } }, "all"), !state.solo);
    const chips = hosts().map((host) => {
      const toggle = () => { state.solo = state.solo === host ? null : host; show(); };
      const chip = Format.element("button", { type: "button", onclick: toggle, style: { "--swatch": color(host) } }, host);
      return pressed(chip, !state.solo || state.solo === host);
    });
    byId("hosts").replaceChildren(all, ...chips);
    byId("metric").value = state.metric;
  };

  const show = () => { controls(); draw(); redrawMinis(); };

  const mini = (metric) => {
    const place = Format.element("div", { class: "chart" });
    const pick = () => { state.metric = metric; show(); };
    const node = Format.element("button", { class: "mini", type: "button", onclick: pick }, Format.element("b", {}, metric), place);
    const paint = () => {
      pressed(node, metric === state.metric);
      const tier = source.tiers[source.tiers.length > 1 ? source.tiers.length - 2 : 0];
      const found = seriesOf(metric);
      const stride = Math.max(1, Math.floor(tier.windows / 240));
      const pick = (numbers) => plotted(numbers).filter((_, i) => i % stride === 0);
      const times = Array.from({ length: tier.windows }, (_, i) => i).filter((i) => i % stride === 0);
      place.replaceChildren();
      new uPlot({
        width: place.clientWidth, height: 54, legend: { show: false }, cursor: { show: false }, padding: [4, 2, 2, 2],
        scales: { x: { time: false } }, axes: [{ show: false }, { show: false }],
        series: [{}, ...found.map((series) => ({ stroke: color(series.labels.host), width: 1, points: { show: false } }))],
      }, [times, ...found.map((series) => pick(column(series.tiers[tier.name].value)))], place);
    };
    return { node, paint };
  };

  /* Show the first of some metrics that there is, of one host or all, around a span of time. */
  const look = (names, host, from, to) => {
    const found = source.series.find((series) => names.includes(series.name));
    if (!found) return;
    const room = Math.max(to - from, 20 * 60000);
    const { start: first, windows, step } = source.tiers[0];
    state.metric = found.metric;
    state.solo = hosts().includes(host) ? host : null;
    state.tier = null;
    state.from = Math.max(from - room, first);
    state.to = Math.min(to + room, first + windows * step);
    show();
  };

  const start = (given, columns) => {
    source = given;
    column = columns;
    const section = byId("fleet");
    section.querySelector("h2").textContent = source.title;
    section.querySelector(".note").textContent = source.note;
    state.metric = metrics()[0];
    byId("metric").append(...metrics().map((metric) => Format.element("option", { value: metric }, metric)));
    byId("metric").addEventListener("change", (event) => { state.metric = event.target.value; show(); });
    byId("reset").addEventListener("click", whole);
    const minis = metrics().map(mini);
    section.querySelector(".minis").append(...minis.map((each) => each.node));
    redrawMinis = () => minis.forEach((each) => each.paint());
    return show;
  };
  return { start, look };
})();

/* Where alerts fire, on the charts of the metrics that their rules read. */
const Bands = (() => {
  const ROWS = 4, ROW = 15;

  /* An alert is about a series if no label that both have differs. */
  const fits = (about, labels) => Object.entries(about).every(([name, value]) => labels[name] === undefined || labels[name] === value);

  /* The spans in which alerts about any of some series of one metric fire. */
  const concerning = (source, series) => {
    const { alerts } = source;
    if (!alerts || !series.length) return [];
    const { name } = series[0];
    return alerts.lanes
      .filter((lane) => alerts.rules[lane.rule].metrics.includes(name) && series.some((one) => fits(lane.about, one.labels)))
      .flatMap((lane) => lane.episodes.filter((each) => each.firing != null)
        .map((each) => ({ name: alerts.rules[lane.rule].name, about: lane.name, from: each.firing, to: each.until })));
  };

  /* A hook of uPlot: shade the spans, each under a line with its name, names in rows where they would run into each other. */
  const drawn = (spans, named) => (u) => {
    const { ctx } = u, { left, top, width, height } = u.bbox;
    const ratio = devicePixelRatio, ends = [];
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    for (const span of [...spans].sort((one, other) => one.from - other.from)) {
      const x = u.valToPos(span.from / 1000, "x", true), end = Math.max(u.valToPos(span.to / 1000, "x", true), x + 2 * ratio);
      if (end < left || x > left + width) continue;
      ctx.fillStyle = Format.color("firing-soft");
      ctx.fillRect(x, top, end - x, height);
      ctx.fillStyle = Format.color("firing");
      const text = named(span), shown = Math.max(x, left), size = ctx.measureText(text).width;
      const start = Math.max(Math.min(shown + 3 * ratio, left + width - size - 3 * ratio), left);
      const row = Array.from({ length: ROWS }, (_, i) => i).find((i) => (ends[i] ?? -Infinity) < start);
      // The line is where the name is, so that overlapping spans can be distinguished.
      ctx.fillRect(x, top + (row ?? ROWS) * ROW * ratio, end - x, 2 * ratio);
      if (row === undefined) continue;
      ctx.fillText(text, start, top + (row * ROW + 3) * ratio);
      ends[row] = Math.max(start + size, end) + 6 * ratio;
    }
    ctx.restore();
  };
  return { concerning, drawn };
})();

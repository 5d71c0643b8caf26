/* Figures, the accounting of every sample, refused records, files and next steps. */
const Tables = (() => {
  const { element, whole } = Format;
  const byId = (id) => document.getElementById(id);
  const READ = "samples.read";
  const fateColors = ["accent", "c3", "c5", "c1", "c6", "c4", "c7"];

  const sum = (sources, name) => sources.reduce((total, source) => total + (source.balance[name] ?? 0), 0);
  const missing = (balance, fates) => (balance[READ] ?? 0) - fates.reduce((total, fate) => total + (balance[fate] ?? 0), 0);

  const figures = (data, fates) => {
    const { sources } = data;
    const rows = sources.flatMap((s) => s.tiers.map((tier) => s.series.filter((one) => one.tiers[tier.name]).length * tier.windows));
    const corrected = sources.flatMap((s) => s.series.flatMap((one) => Object.values(one.tiers).map((line) => line.late.length)));
    const unaccounted = sources.reduce((total, source) => total + Math.abs(missing(source.balance, fates)), 0);
    const add = (list) => list.reduce((a, b) => a + b, 0);
    const watched = sources.filter((s) => s.alerts);
    const entries = [
      [sum(sources, READ), "samples read"],
      [add(sources.map((s) => s.series.length)), "series"],
      [add(rows), "rollup rows"],
      [add(corrected), "corrected by late data"],
      ...(watched.length ? [[add(watched.map((s) => s.alerts.fired)), "alert episodes fired"]] : []),
      [data.refusals.length, "records refused"],
      [unaccounted, "unaccounted for", unaccounted ? "bad" : "good"],
    ];
    byId("figures").append(...entries.map(([number, text, kind]) =>
      element("div", { class: kind ?? "" }, element("b", {}, whole(number)), element("span", {}, text))));
  };

  const flow = (source, fates, colors) => {
    const read = source.balance[READ] ?? 0;
    const bar = element("div", { class: "bar" });
    for (const fate of fates) {
      const count = source.balance[fate] ?? 0;
      if (count) bar.append(element("i", { title: `${fate}: ${whole(count)}`, style: { "flex": `${count} 0 0`, background: `var(--${colors[fate]})` } }));
    }
    return element("div", { class: "flow" }, element("p", {}, `${source.title}: ${whole(read)} samples`), bar);
  };

  const number = (value) => element("td", { class: "number" }, value);

  const accounting = (data, fates) => {
    const { sources, meanings } = data;
    const colors = Object.fromEntries(fates.map((fate, i) => [fate, fateColors[i % fateColors.length]]));
    const head = element("tr", {}, element("th", {}, "Fate"), element("th", {}, "Meaning"),
      ...sources.map((source) => element("th", { class: "number" }, source.title)));
    const body = fates.map((fate) => element("tr", {},
      element("td", {}, element("i", { class: "swatch", style: { background: `var(--${colors[fate]})` } }), fate.replace("samples.", "").replace("_", " ")),
      element("td", { class: "muted" }, meanings[fate]),
      ...sources.map((source) => number(whole(source.balance[fate] ?? 0)))));
    const total = element("tr", { class: "sum" }, element("td", {}, "read"), element("td", { class: "muted" }, meanings[READ]),
      ...sources.map((source) => number(whole(source.balance[READ] ?? 0))));
    const rest = element("tr", {}, element("td", {}, "difference"), element("td", { class: "muted" }, "read, less the sum of the fates"),
      ...sources.map((source) => {
        const left = missing(source.balance, fates);
        return element("td", { class: `number ${left ? "bad" : "good"}` }, whole(left));
      }));
    byId("fates").append(...sources.map((source) => flow(source, fates, colors)),
      element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body, total, rest))));
  };

  const refused = (data) => {
    const place = byId("refusals");
    if (!data.refusals.length) {
      place.append(element("p", { class: "muted" }, "None: every record could be read."));
      return;
    }
    const head = element("tr", {}, ...["Place", "Reason", "What it said"].map((text) => element("th", {}, text)));
    const rows = data.refusals.map((refusal) => element("tr", {}, element("td", { class: "place" }, refusal.where), element("td", {}, refusal.reason),
      element("td", {}, element("code", {}, refusal.text))));
    place.append(element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
  };

  const steps = (list) => list.map(([command, text]) =>
    element("p", { class: "step" }, element("code", {}, command), element("span", {}, text)));

  const show = (data) => {
    const fates = Object.keys(data.meanings).filter((name) => name !== READ);
    byId("made").textContent = data.made;
    figures(data, fates);
    accounting(data, fates);
    refused(data);
    byId("steps").append(...steps(data.next));
    byId("files").append(...steps(data.files));
  };
  return { show };
})();

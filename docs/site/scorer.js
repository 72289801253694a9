// A heading that is what was asked for comes before every page that mentions it. The other numbers are Sphinx's own.
var Scorer = {
  score: ([, , , , score, , kind]) => score + (kind === 'title' ? 100 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// Rates around a direction: settings -> rule for all weights at once, which takes their gradients and the weights.
//
// The direction u is μ u + g, or the gradient itself without momentum; Δw = -η r u.

const around = (rateOf) => ({ learning_rate: η, momentum: μ = 0, ...settings }) => {
  const rate = rateOf(settings);
  let u = [];
  return (g, w) => {
    u = g.map((slope, i) => μ * (u[i] ?? 0) + slope);
    return rate(g, u, w).map((r, i) => ({ update: -η * r * u[i], inside: [u[i], r] }));
  };
};

// 1 where gradient and direction have the same sign, γ elsewhere; divided by the mean over all weights with a gradient.
const cautious = ({ opposed: γ }) => (g, u) => {
  const agrees = g.map((slope, i) => Math.sign(slope) * Math.sign(u[i]) > 0);
  const count = g.filter((slope) => slope !== 0).length, share = agrees.filter((one) => one).length / (count || 1);
  const mean = count ? Math.max(share + γ * (1 - share), 1e-3) : 1;
  return agrees.map((one) => (one ? 1 : γ) / mean);
};

// Divide by the lengths first: the product of tiny slopes would be 0.
const cosineOf = (a, b) => a.reduce((sum, one, i) => sum + (one / Math.hypot(...a)) * (b[i] / Math.hypot(...b)), 0);

const hypergradient = ({ beta: β, low, high }) => {
  let c = 1, before = null;
  return (g, u) => {
    const cosine = before ? cosineOf(g, before) : NaN;
    if (!Number.isNaN(cosine)) c = Math.min(Math.max(c * (1 + β * cosine), low), high);
    before = u;
    return g.map(() => c);
  };
};

// The factor that gives u this size; 1 if either is 0.
const relative = (size, u) => (size > 0 && Math.hypot(...u) > 0 ? size / Math.hypot(...u) : 1);

const trustRatio = () => (g, u, w) => g.map(() => relative(Math.hypot(...w), u));

const updateFloor = ({ floor: ρ }) => (g, u, w) => g.map(() => Math.max(1, relative(ρ * Math.hypot(...w), u)));

const RATES = {
  cautious_momentum: around(cautious), hypergradient: around(hypergradient), trust_ratio: around(trustRatio),
  update_floor: around(updateFloor),
};

// Any method's rule for all weights at once.
function ruleOf(slug, settings) {
  const everything = { ...LAB.methods[slug].fixed, ...settings };
  if (slug in RATES) return RATES[slug](everything);
  const rules = [];
  return (g) => g.map((slope, i) => (rules[i] ??= METHODS[slug](everything))(slope, Math.hypot(...g)));
}

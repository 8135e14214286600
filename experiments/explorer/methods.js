// The methods of adaptax, in the letters of their docstrings: settings -> rule for one weight.
//
// A rule takes the gradient g and returns the update Δw and its inner quantities in the order of the page's labels.
// Methods that look ahead also return `ahead`: the distances from the weight to the points of the next gradients.

const ratio = (a, b) => (b === 0 ? 0 : a / b); // no history, no step

const mix = (average, sample, decay) => decay * average + (1 - decay) * sample;

function momentum({ learning_rate: η, momentum: μ }) {
  let v = 0;
  return (g) => {
    v = μ * v - η * g;
    return { update: v, inside: [] };
  };
}

function nesterov({ learning_rate: η, momentum: μ, points: K = 1 }) {
  let v = 0;
  return (g) => {
    v = μ * v - η * g;
    const ahead = Array.from({ length: K }, (_, k) => ((μ * (k + 1)) / K) * v);
    return { update: v, inside: [-μ * v], ahead };
  };
}

function adagrad({ learning_rate: η, eps: ε }) {
  let G = 0;
  return (g) => {
    G += g * g;
    const rate = η / Math.sqrt(G + ε);
    return { update: -rate * g, inside: [G, rate] };
  };
}

function rmsprop({ learning_rate: η, decay: ρ, eps: ε }) {
  let E = 0;
  return (g) => {
    E = mix(E, g * g, ρ);
    const rate = η / Math.sqrt(E + ε);
    return { update: -rate * g, inside: [E, rate] };
  };
}

function adadelta({ learning_rate: η, rho: ρ, eps: ε, initial }) {
  let E = 0, D = initial;
  return (g) => {
    E = mix(E, g * g, ρ);
    const step = Math.sqrt((D + ε) / (E + ε)) * g;
    D = mix(D, step * step, ρ);
    return { update: -η * step, inside: [E, D, η * Math.sqrt((D + ε) / (E + ε))] };
  };
}

function adam({ learning_rate: η, b1, b2, eps: ε }) {
  let m = 0, v = 0, t = 0;
  return (g) => {
    t += 1;
    m = mix(m, g, b1);
    v = mix(v, g * g, b2);
    const mean = m / (1 - b1 ** t), square = v / (1 - b2 ** t), size = Math.sqrt(square) + ε;
    return { update: -η * ratio(mean, size), inside: [mean, square, square > 0 ? η / size : 0] };
  };
}

function adamax({ learning_rate: η, b1, b2 }) {
  let m = 0, u = 0, t = 0;
  return (g) => {
    t += 1;
    m = mix(m, g, b1);
    u = Math.max(b2 * u, Math.abs(g));
    const mean = m / (1 - b1 ** t);
    return { update: -η * ratio(mean, u), inside: [mean, u, ratio(η, u)] };
  };
}

function nadam({ learning_rate: η, b1, b2, eps: ε, momentum_decay: ψ }) {
  let m = 0, v = 0, t = 0, product = 1; // of all μ so far
  const μ = (t) => b1 * (1 - 0.5 * 0.96 ** (t * ψ));
  return (g) => {
    t += 1;
    m = mix(m, g, μ(t));
    v = mix(v, g * g, b2);
    product *= μ(t);
    const ahead = (μ(t + 1) * m) / (1 - product * μ(t + 1)) + ((1 - μ(t)) * g) / (1 - product);
    const square = v / (1 - b2 ** t), size = Math.sqrt(square) + ε;
    const inside = [m / (1 - product), square, square > 0 ? η / size : 0];
    return { update: -η * ratio(ahead, size), inside };
  };
}

// c + bonus if the signs agree, c · penalty if they oppose; c stays if one is zero.
function adapt(c, agreed, bonus, penalty, low, high) {
  if (agreed > 0) return Math.min(c + bonus, high);
  return agreed < 0 ? Math.max(c * penalty, low) : c;
}

function local_gains({ learning_rate: η, bonus: b, low, high }) {
  let c = 1, previous = 0;
  return (g) => {
    c = adapt(c, Math.sign(g) * Math.sign(previous), b, 1 - b, low, high);
    previous = g;
    return { update: -η * c * g, inside: [c] };
  };
}

function delta_bar_delta({ learning_rate: η, kappa: κ, phi: φ, theta: θ, low, high }) {
  let c = 1, average = 0;
  return (g) => {
    c = adapt(c, Math.sign(g) * Math.sign(average), κ, 1 - φ, low, high);
    average = mix(average, g, θ);
    return { update: -η * c * g, inside: [c, average] };
  };
}

function velocity_gains({ learning_rate: η, momentum: μ, bonus: b, penalty: p, low, high }) {
  let c = 1, u = 0;
  return (g) => {
    c = adapt(c, Math.sign(g) * -Math.sign(u) || -1, b, p, low, high); // a zero counts as disagreement
    u = μ * u - η * c * g;
    return { update: u, inside: [c] };
  };
}

// iRprop-: the step has the gradient's sign. Its size grows while the sign stays; if the sign changes, the size shrinks
// and the weight rests.
function rprop({ learning_rate: η, increase, decrease, low, high }) {
  let c = 1, previous = 0;
  return (g) => {
    const agreed = Math.sign(g) * Math.sign(previous);
    if (agreed > 0) c = Math.min(c * increase, high);
    if (agreed < 0) c = Math.max(c * decrease, low);
    previous = agreed < 0 ? 0 : g;
    return { update: -η * Math.sign(previous) * c, inside: [c] };
  };
}

// The only method that reads a whole layer, here all weights: it needs the norm of the layer's gradient.
function lsalr({ learning_rate: t, momentum: μ }) {
  let v = 0;
  return (g, norm) => {
    const rate = norm > 0 ? 1 + Math.log1p(norm) - Math.log(norm) : 1;
    v = μ * v - t * rate * g;
    return { update: v, inside: [rate] };
  };
}

const METHODS = {
  momentum, nesterov, smoothed_nesterov: nesterov, adagrad, rmsprop, adadelta, adam, adamax, nadam, local_gains,
  delta_bar_delta, velocity_gains, lsalr, rprop,
};

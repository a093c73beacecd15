/** Words that names of containers are made of, when none is given: `quiet_curie`. Ours; short, friendly, easily spelled. */
export const ADJECTIVES: readonly string[] = (
  "able agile airy alert amber ample apt awake bold brave bright brisk busy calm candid careful cheerful civil clear clever cosmic cosy crisp " +
  "curious daring deft dewy eager early earnest easy fair fancy fast fearless fine firm fluent fond frank free fresh frosty gallant gentle " +
  "glad golden good graceful grand green happy hardy honest hopeful humble jolly joyful keen kind lively loyal lucid lucky mellow merry mild " +
  "modest neat nimble noble open patient plucky polite proud quick quiet rapid ready regal rosy serene sharp shiny silent silver simple smart " +
  "snug sober solid sound spry steady still sturdy subtle sunny sure swift tidy tranquil trusty upbeat useful valiant vivid warm wise witty"
).split(" ");

/** Family names of people who found something out. */
export const SURNAMES: readonly string[] = (
  "abel agnesi ampere anning avogadro banneker bernoulli bessel biruni blackwell bolyai boole braun brahe bunsen byron cantor cassini cauchy " +
  "celsius chandra clausius cori coulomb daguerre dalton dedekind descartes dirichlet doppler elion euler fibonacci fizeau foucault fraunhofer " +
  "fresnel frobenius galois gibbs gutenberg haber halley hamilton harvey haytham heaviside helmholtz henry herschel hilbert hooke humboldt " +
  "huygens jacobi joule khayyam kirchhoff klein koch lagrange laplace laue legendre leibniz lie linnaeus liouville lyell mach markov maxwell " +
  "mendel messier michelson minkowski moebius monge napier nernst oersted ohm olbers oort planck poisson priestley rayleigh riemann roemer " +
  "rumford scheele seebeck snell somerville sorby steno stokes sturm thales thomson torricelli tsu vesalius viete volta wallis weber wegener"
).split(" ");

// The house rules: what each refuses, where it holds, and why. Samples that break every one are in tidy.test.mjs.
import { layerOf, readLayers } from "./layers.mjs";
import { dottedName, importsOf, isRelative, isTest, lineOf, offences } from "./source.mjs";

/** @typedef {import("./source.mjs").Source} Source */
/** @typedef {import("./source.mjs").Node} Node */
/** @typedef {import("./source.mjs").Offence} Offence */

/**
 * @typedef {object} Rule
 * @property {string} name
 * @property {string} why shown with every finding
 * @property {(path: string) => boolean} holdsIn
 * @property {(source: Source) => Offence[]} find
 */

const fileLimit = 500;
const functionLimit = 60;
const dataFunctionLimit = 6;

const layers = readLayers();
const isTypeScript = (/** @type {string} */ path) => path.endsWith(".ts");
const isData = (/** @type {string} */ path) => path.startsWith("src/spec/") || path.startsWith("src/isa/table/");
const isProduction = (/** @type {string} */ path) => path.startsWith("src/") && !isTest(path);

/** Layers that run guest code or serve its accesses, in the guest's time. */
const guestLayers = new Set(["irqchip", "bus", "device", "machine", "engine/wasm", "engine/host"]);
const runsGuest = (/** @type {string} */ path) => isProduction(path) && guestLayers.has(layerOf(layers, path) ?? "");

/** Host-side layers: those that layers.json allows Node. */
const isHostSide = (/** @type {string} */ path) => Boolean(layers.layers[layerOf(layers, path) ?? ""]?.node);
const isClock = (/** @type {string} */ path) => /^src\/base\/clock/.test(path);

const functionTypes = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** @param {Node} node @param {Source} source */
const linesOf = (node, source) => lineOf(source, node.end) - lineOf(source, node.start) + 1;

/**
 * @param {Source} source
 * @param {RegExp} pattern
 * @param {(match: string) => string} describe
 * @returns {Offence[]}
 */
const inComments = (source, pattern, describe) =>
  source.comments.flatMap(({ start, value }) => {
    const match = pattern.exec(value);
    return match ? [{ at: start + 2 + match.index, what: describe(match[0]) }] : [];
  });

/**
 * @param {Source} source
 * @param {number} limit
 */
const longFunctions = (source, limit) =>
  offences(source, (node) =>
    functionTypes.has(node.type) && linesOf(node, source) > limit
      ? `a function of ${linesOf(node, source)} lines (at most ${limit})`
      : undefined,
  );

const hostTime = /^(Date\.now|Date|performance\.now|process\.hrtime(\.bigint)?|setTimeout|setInterval|setImmediate)$/;
const hostRandom = /^(Math\.random|(globalThis\.)?crypto\.(getRandomValues|randomUUID|randomBytes|randomInt))$/;

/** @param {Source} source @returns {Set<string>} the functions that a file declares or imports under some name */
function ownFunctions(source) {
  const declared = offences(source, (node) => {
    if (node.type === "FunctionDeclaration") return dottedName(node.id);
    return node.type === "ImportSpecifier" ? dottedName(node.local) : undefined;
  });
  return new Set(declared.map(({ what }) => what));
}

/** @param {Source} source */
function hostReads(source) {
  const own = ownFunctions(source);
  return offences(source, hostRead).filter(({ what }) => !own.has(what.slice(0, -"()".length)));
}

/** @param {Node} node */
function hostRead(node) {
  const isCall = node.type === "CallExpression";
  const isBareDate = node.type === "NewExpression" && /** @type {unknown[]} */ (node.arguments).length === 0;
  const name = isCall || isBareDate ? dottedName(node.callee) : undefined;
  if (name === undefined || (isBareDate && name !== "Date")) return undefined;
  return hostTime.test(name) || hostRandom.test(name) ? `${name}()` : undefined;
}

const bigIntNames = /^(BigInt|Big(Int|Uint)64Array)$|\.(get|set)Big(Int|Uint)64$/;

/** @param {Node} node */
function bigInt(node) {
  if (node.type === "Literal" && "bigint" in node) return `${node.bigint}n`;
  if (node.type !== "CallExpression" && node.type !== "NewExpression") return undefined;
  const callee = dottedName(node.callee);
  const method = /** @type {Node | undefined} */ (/** @type {Node} */ (node.callee).property);
  const name = callee ?? (method ? `.${dottedName(method)}` : "");
  return bigIntNames.test(name.replace(/^BigInt\..*/, "BigInt")) ? name : undefined;
}

/** @param {Source} source @param {number} offset */
function lineText(source, offset) {
  const start = source.text.lastIndexOf("\n", offset - 1) + 1;
  const end = source.text.indexOf("\n", offset);
  return source.text.slice(start, end < 0 ? undefined : end);
}

/** @param {Source} source */
function unexplainedBigInts(source) {
  const first = /** @type {Node[]} */ (source.program.body)[0]?.start ?? 0;
  const reason = /^ bigint: \S/;
  if (source.comments.some(({ value, end }) => end <= first && reason.test(value))) return [];
  return offences(source, bigInt).filter(({ at }) => !/\/\/ bigint: \S/.test(lineText(source, at)));
}

/** @param {Node} node @returns {string | undefined} the name, when an export statement declares a function or class */
function exportedFunction(node) {
  if (node.type !== "ExportNamedDeclaration" && node.type !== "ExportDefaultDeclaration") return undefined;
  const declaration = /** @type {Node | null} */ (node.declaration);
  if (!declaration) return undefined;
  const nameOf = (/** @type {Node} */ named) => dottedName(named.id) ?? "default";
  if (["FunctionDeclaration", "TSDeclareFunction", "ClassDeclaration"].includes(declaration.type))
    return nameOf(declaration);
  if (declaration.type !== "VariableDeclaration") return undefined;
  const functions = /** @type {Node[]} */ (declaration.declarations).filter((declarator) =>
    functionTypes.has(/** @type {Node | null} */ (declarator.init)?.type ?? ""),
  );
  return functions[0] && nameOf(functions[0]);
}

/** @param {Source} source @param {Node} node */
const hasDocstring = (source, node) =>
  source.comments.some(
    ({ type, value, end }) =>
      type === "Block" && value.startsWith("*") && /^\s*$/.test(source.text.slice(end, node.start)),
  );

/** @param {Source} source */
function undocumented(source) {
  /** @type {Set<string>} */
  const documented = new Set();
  return offences(source, (node) => {
    const name = exportedFunction(node);
    if (name === undefined || documented.has(name)) return undefined;
    if (!hasDocstring(source, node)) return `exported ${name} has no docstring`;
    documented.add(name); // an overload set has one docstring
    return undefined;
  });
}

const reasonlessSkips = /^(test|it|describe)(\.\w+)*\.(skip|skipIf|runIf|todo)$/;

/** @param {Source} source */
function behaviour(source) {
  const classes = offences(source, (node) => (node.type === "ClassDeclaration" ? "a class" : undefined));
  return [...classes, ...longFunctions(source, dataFunctionLimit)];
}

/** @param {Source} source */
function unseededRandomness(source) {
  if (/\bseed\b/i.test(source.text)) return [];
  return offences(source, (node) =>
    node.type === "CallExpression" && hostRandom.test(dottedName(node.callee) ?? "") ? "randomness" : undefined,
  );
}

/** @param {Source} source */
function extensionless(source) {
  const wrong = importsOf(source).filter(
    ({ specifier, isUrl }) => isRelative(specifier) && !isUrl && !specifier.endsWith(".ts"),
  );
  return wrong
    .filter(({ specifier }) => !(isTest(source.path) && specifier.endsWith(".mjs")))
    .map(({ specifier, at }) => ({ at, what: `import of "${specifier}"` }));
}

/** @param {Source} source */
function outsidePaths(source) {
  const match = /\/(home|work)\/\w+|\.\.\/shared(?![-\w])/.exec(source.text);
  return match ? [{ at: match.index, what: `the path ${match[0]}` }] : [];
}

/** @type {Rule[]} */
export const rules = [
  {
    name: "syntax",
    why: "it does not parse",
    holdsIn: () => true,
    find: (source) => source.errors.map((what) => ({ at: 0, what })),
  },
  {
    name: "import-extension",
    why: "a relative import ends in .ts: the file that is named is the file that is read",
    holdsIn: (path) => isTypeScript(path),
    find: extensionless,
  },
  {
    name: "file-length",
    why: "a file is about one subject; split it, or move its facts to src/spec or src/isa/table",
    holdsIn: (path) => !isData(path),
    find: (source) => {
      const lines = lineOf(source, source.text.trimEnd().length);
      return lines > fileLimit
        ? [{ at: source.text.trimEnd().length, what: `${lines} lines (at most ${fileLimit})` }]
        : [];
    },
  },
  {
    name: "function-length",
    why: "a function is read on one screen: name its parts",
    holdsIn: (path) => !isData(path) && !isTest(path),
    find: (source) => longFunctions(source, functionLimit),
  },
  {
    name: "spec-is-data",
    why: "src/spec holds facts from manuals; behaviour belongs to the layer that has it",
    holdsIn: (path) => path.startsWith("src/spec/") && !isTest(path),
    find: behaviour,
  },
  {
    name: "no-todo",
    why: "what is missing stands in SPECIFICATION.md or an issue, where people look; code says what is",
    holdsIn: () => true,
    find: (source) => inComments(source, /\b(TODO|FIXME|XXX|HACK)\b/, (word) => word),
  },
  {
    name: "no-any",
    why: "any switches the compiler off for everything it touches; use unknown and narrow it",
    holdsIn: (path) => isTypeScript(path),
    find: (source) => offences(source, (node) => (node.type === "TSAnyKeyword" ? "any" : undefined)),
  },
  {
    name: "no-suppression",
    why: "a silenced type error is a wrong type; a test may use @ts-expect-error to show that something is refused",
    holdsIn: () => true,
    find: (source) =>
      inComments(
        source,
        isTest(source.path) ? /@ts-(ignore|nocheck)/ : /@ts-(ignore|nocheck|expect-error)/,
        (word) => word,
      ),
  },
  {
    name: "host-time",
    why: "nothing reads a clock, randomness or a timer except through base/clock and an injected generator: a run can be replayed",
    holdsIn: (path) => isProduction(path) && !isHostSide(path) && !isClock(path),
    find: hostReads,
  },
  {
    name: "printed-seed",
    why: "a random test prints its seed, so that a failure can be repeated",
    holdsIn: isTest,
    find: unseededRandomness,
  },
  {
    name: "bigint",
    why: "a BigInt is allocated: none on a path that runs a guest; off such a path end the line, or begin the file, with `// bigint: reason`",
    holdsIn: runsGuest,
    find: unexplainedBigInts,
  },
  {
    name: "docstring",
    why: "a public function says its shapes, units, errors and source in a /** docstring */",
    holdsIn: isProduction,
    find: undocumented,
  },
  {
    name: "skip-reason",
    why: "a skipped test says why in the report: call context.skip(condition, reason) inside the test",
    holdsIn: isTest,
    find: (source) =>
      offences(source, (node) => {
        const name = node.type === "CallExpression" ? dottedName(node.callee) : undefined;
        return name && reasonlessSkips.test(name) ? name : undefined;
      }),
  },
  {
    name: "outside-path",
    why: "a clone on another machine does not have it",
    holdsIn: (path) => !path.startsWith("tools/"),
    find: outsidePaths,
  },
];

import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import {
  CPU_MODELS,
  type CpuModel,
  DEFAULT_CPU_MODEL,
  FEATURE_ALIASES,
  FEATURE_NEEDS,
  ONLY_IF_ASKED,
} from "../spec/x86/cpu-model.ts";
import { CPUID_FEATURE } from "../spec/x86/cpuid.ts";

/** A processor as it was asked for. Plain data: it is posted between threads. */
export interface CpuRequest {
  readonly model: CpuModel;
  /** Whether the model was named: then what the engine lacks of it is told. */
  readonly named: boolean;
  /** Features switched on and off, in the order given. */
  readonly changes: readonly { readonly feature: string; readonly on: boolean }[];
}

/** Reads "MODEL[,+FEATURE,-FEATURE]"; without a model the default one. Throws UserError. */
export function parseCpu(text = ""): CpuRequest {
  const [first = "", ...rest] = text.split(",");
  const hasModel = !/^([+-]|$)/.test(first);
  const changes = hasModel || first === "" ? rest : [first, ...rest];
  const model = findModel(hasModel ? first : DEFAULT_CPU_MODEL);
  return { model, named: hasModel, changes: changes.map(parseChange) };
}

function findModel(name: string): CpuModel {
  const model = CPU_MODELS.find((candidate) => candidate.name === name);
  if (model) return model;
  const names = CPU_MODELS.map((candidate) => candidate.name);
  throw new UserError(`there is no CPU model "${name}"`, `${guess(name, names)}The models are ${names.join(", ")}.`);
}

function parseChange(text: string): CpuRequest["changes"][number] {
  const [, sign, name] = /^([+-])(.+)$/.exec(text) ?? [];
  if (name === undefined)
    throw new UserError(`"${text}" switches no CPU feature`, "Write +FEATURE or -FEATURE, separated by commas.");
  return { feature: findFeature(name), on: sign === "+" };
}

function findFeature(name: string): string {
  const plain = name.toLowerCase().replace(/[.-]/g, "_");
  const feature = FEATURE_ALIASES.get(plain) ?? plain;
  if (CPUID_FEATURE.has(feature)) return feature;
  const advice = `${guess(plain, [...CPUID_FEATURE.keys(), ...FEATURE_ALIASES.keys()])}--cpu help lists them.`;
  throw new UserError(`there is no CPU feature "${name}"`, advice);
}

function guess(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? "" : `Did you mean ${near}? `;
}

/** What a request comes to on an engine. */
export interface GrantedFeatures {
  readonly features: ReadonlySet<string>;
  /** What a named model has and the engine has not. */
  readonly missing: readonly string[];
}

/**
 * The features that a request comes to on an engine that has `supported`: those of the model that there are, with the
 * changes. What is switched on brings what it needs, what is switched off takes with it what needs it. Throws UserError if
 * the engine lacks what is switched on.
 */
export function requestedFeatures(
  request: CpuRequest,
  supported: ReadonlySet<string>,
  engine: string,
): GrantedFeatures {
  const { model, named, changes } = request;
  const whole = new Set(model.features ?? [...supported].filter((name) => !ONLY_IF_ASKED.includes(name)));
  const features = new Set(whole);
  for (const name of whole) if (!supported.has(name)) switchOff(features, name);
  for (const hint of model.hints ?? []) if (supported.has(hint)) features.add(hint);
  for (const set of [whole, features]) for (const { feature, on } of changes) (on ? switchOn : switchOff)(set, feature);
  const lacking = [...features].filter((name) => !supported.has(name));
  if (lacking.length > 0) throw lacks(request, lacking, engine);
  return { features, missing: named ? [...whole].filter((name) => !features.has(name)) : [] };
}

function lacks({ model, changes }: CpuRequest, lacking: readonly string[], engine: string): UserError {
  const off = [...changes.map(({ feature, on }) => `${on ? "+" : "-"}${feature}`), ...lacking.map((f) => `-${f}`)];
  return new UserError(
    `the engine "${engine}" lacks CPU features that were asked for: ${lacking.join(", ")}`,
    `Leave them out: --cpu ${[model.name, ...off.filter((change) => !lacking.includes(change.replace(/^\+/, "")))].join(",")}`,
  );
}

function switchOn(features: Set<string>, feature: string): void {
  features.add(feature);
  for (const needed of FEATURE_NEEDS.get(feature) ?? []) switchOn(features, needed);
}

function switchOff(features: Set<string>, feature: string): void {
  features.delete(feature);
  for (const [dependent, needs] of FEATURE_NEEDS) if (needs.includes(feature)) switchOff(features, dependent);
}

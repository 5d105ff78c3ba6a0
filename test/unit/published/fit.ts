// Whether values and reads fit a published type. TypeScript's own check of a literal stops at the first unknown field and
// allows in a union what any member has; this one names every field, and holds a value to one member.

import ts from "typescript";

/** What does not fit: the field ("policies[].id"), and why. */
export interface Misfit {
  field: string;
  why: string;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const inside = (field: string, name: string): string => (field === "" ? name : `${field}.${name}`);

/** The members of a union, or the type alone. */
const members = (type: ts.Type): readonly ts.Type[] => (type.isUnion() ? type.types : [type]);

/** The type of a property, without the `undefined` of an optional one. */
function propertyType(checker: ts.TypeChecker, type: ts.Type, name: string): ts.Type | undefined {
  const property = checker.getPropertyOfType(type, name);
  if (property !== undefined) return checker.getTypeOfSymbol(property);
  return checker.getIndexInfoOfType(type, ts.IndexKind.String)?.type;
}

const element = (checker: ts.TypeChecker, type: ts.Type): ts.Type | undefined =>
  checker.isArrayType(type) ? checker.getTypeArguments(type as ts.TypeReference)[0] : undefined;

function primitiveFits(type: ts.Type, value: unknown): boolean {
  if (type.isStringLiteral() || type.isNumberLiteral()) return type.value === value;
  if (type.flags & ts.TypeFlags.BooleanLiteral) {
    return (type as ts.Type & { intrinsicName: string }).intrinsicName === String(value) && typeof value === "boolean";
  }
  if (value === null) return (type.flags & ts.TypeFlags.Null) !== 0;
  const kinds = { string: ts.TypeFlags.String, number: ts.TypeFlags.Number, boolean: ts.TypeFlags.Boolean };
  return (type.flags & (kinds[typeof value as keyof typeof kinds] ?? 0)) !== 0;
}

/** What of a JSON value does not fit a type. */
export function misfits(checker: ts.TypeChecker, type: ts.Type, value: unknown, field = ""): Misfit[] {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return [];
  if (value === undefined && type.flags & ts.TypeFlags.Void) return [];
  if (type.isUnion()) {
    const tries = type.types
      .filter(({ flags }) => !(flags & ts.TypeFlags.Undefined))
      .map((member) => misfits(checker, member, value, field));
    // The member that it comes closest to, so that the rest is what is wrong with it.
    return tries.sort((one, other) => weight(one, field) - weight(other, field))[0] ?? [];
  }
  const wrong = (why: string): Misfit[] => [{ field, why }];
  const item = element(checker, type);
  if (Array.isArray(value)) {
    if (item === undefined) return wrong(`a list, and not ${checker.typeToString(type)}`);
    return value.flatMap((one) => misfits(checker, item, one, `${field}[]`));
  }
  if (!isObject(value)) {
    return primitiveFits(type, value) ? [] : wrong(`${JSON.stringify(value)}, and not ${checker.typeToString(type)}`);
  }
  if (item !== undefined || !(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) {
    return wrong(`an object, and not ${checker.typeToString(type)}`);
  }
  const found = Object.entries(value).flatMap(([name, one]) => {
    const expected = propertyType(checker, type, name);
    if (expected === undefined) return [{ field: inside(field, name), why: "not published" }];
    return misfits(checker, expected, one, inside(field, name));
  });
  const missing = checker
    .getPropertiesOfType(type)
    .filter((property) => !(property.flags & ts.SymbolFlags.Optional) && !(property.name in value))
    .map(({ name }) => ({ field: inside(field, name), why: "missing" }));
  return [...found, ...missing];
}

/** How far a value is from a member of a union: another kind is farthest, then another constant such as `type`. */
const weight = (found: readonly Misfit[], field: string): number =>
  found.reduce((sum, one) => sum + (one.field === field ? 1000 : /^".*", and not "/.test(one.why) ? 100 : 1), 0);

/** The first part of a path of fields that no published type has; undefined if all of it is there. */
export function unpublished(checker: ts.TypeChecker, type: ts.Type, path: readonly string[]): string | undefined {
  let types = members(type);
  let field = "";
  for (const name of path) {
    field = name === "[]" ? `${field}[]` : inside(field, name);
    if (types.some(({ flags }) => flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown))) return undefined;
    const next = types.map((one) => (name === "[]" ? element(checker, one) : propertyType(checker, one, name)));
    types = next.flatMap((one) => (one === undefined ? [] : members(one)));
    if (types.length === 0) return field;
  }
  return undefined;
}

/** The fields of a type of ours that the published type has not, or has in another form. */
export function unread(checker: ts.TypeChecker, own: ts.Type, published: ts.Type, field = ""): Misfit[] {
  const ours = checker.getNonNullableType(own);
  const theirs = members(published).filter(({ flags }) => !(flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)));
  const item = readonlyElement(checker, ours);
  if (item !== undefined) {
    const items = theirs.flatMap((one) => element(checker, one) ?? []);
    return items.length === 0
      ? [{ field, why: "no list" }]
      : all(items.map((one) => unread(checker, item, one, `${field}[]`)));
  }
  if (!(ours.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) {
    return theirs.every((one) => checker.isTypeAssignableTo(one, ours)) ? [] : [{ field, why: "of another type" }];
  }
  return checker.getPropertiesOfType(ours).flatMap((property) => {
    const types = theirs.flatMap((one) => propertyType(checker, one, property.name) ?? []);
    const name = inside(field, property.name);
    if (types.length === 0) return [{ field: name, why: "not published" }];
    return all(types.map((one) => unread(checker, checker.getTypeOfSymbol(property), one, name)));
  });
}

const readonlyElement = (checker: ts.TypeChecker, type: ts.Type): ts.Type | undefined =>
  checker.isArrayLikeType(type) ? checker.getTypeArguments(type as ts.TypeReference)[0] : undefined;

/** Nothing if one of several types fits, else what is wrong with the first. */
const all = (tries: Misfit[][]): Misfit[] => (tries.some((one) => one.length === 0) ? [] : (tries[0] ?? []));

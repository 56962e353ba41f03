// Which environment variables a local Worker gets: those that a catalog names, those of the Worker itself, and nothing else.

/** Settings and secrets of the Worker itself. */
const ownNames = [
  "SEAL_KEY",
  "ADMIN_TOKEN",
  "ADMIN_TOKEN_SHA256",
  "ACCESS_TEAM_DOMAIN",
  "ACCESS_AUD",
  "ACCESS_ADMINS",
  "ACCESS_OPERATORS",
  "ACCESS_MEMBERS",
  "DRY_RUN",
];

/** Members of catalog documents whose value is the name of a secret. */
const secretMembers = new Set(["secret", "discover", "id_secret", "secret_secret"]);

/** Names that catalog documents use, as they stand there: pool secrets and `${TEMPLATE}` variables. */
export function namesInCatalog(document) {
  const names = new Set();
  const visit = (value, member) => {
    if (typeof value === "string") {
      if (secretMembers.has(member)) names.add(value);
      for (const [, name] of value.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g)) names.add(name);
    } else if (Array.isArray(value)) {
      for (const item of value) visit(item, member);
    } else if (value && typeof value === "object") {
      for (const [key, item] of Object.entries(value)) visit(item, key);
    }
  };
  visit(document, "");
  return names;
}

/** True for a name and the spellings by which one secret becomes a pool: KEYS, KEY_POOL, KEY_<n>. */
export function isSpellingOf(name, variable) {
  if (!variable.startsWith(name)) return false;
  return /^(|S|_POOL|_[0-9]+)$/.test(variable.slice(name.length));
}

/** The part of `env` that the Worker gets; blank values count as absent. */
export function handedOver(env, catalogs) {
  const names = [...ownNames];
  for (const catalog of catalogs) names.push(...namesInCatalog(catalog));
  return Object.fromEntries(
    Object.entries(env).filter(([variable, value]) => value?.trim() && names.some((name) => isSpellingOf(name, variable))),
  );
}

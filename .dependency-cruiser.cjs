/** The arrows between rooms. Imports run one way; a new arrow is a design decision, not a convenience. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: `^${from}`, pathNot: "\\.test\\.ts$|/testing/" },
  to: {
    pathNot: [`^${from}`, ...allowed.map((path) => `^${path}`), "^node_modules/", "^node:", "^cloudflare:"],
    dependencyTypesNot: ["core"],
  },
});

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    {
      name: "no-orphan-dependency",
      severity: "error",
      // Build scripts run where the development dependencies are.
      from: { pathNot: "\\.test\\.ts$|/testing/|/(build|generate)\\.ts$" },
      // The Workers runtime brings the modules that are named cloudflare: with it.
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "unknown"], pathNot: "^cloudflare:" },
    },
    only("crypto-stands-alone", "core/crypto/", [], "cryptography knows nothing of the domain"),
    only(
      "protocol-is-pure",
      "core/protocol/",
      ["core/crypto/(port|text|signature-der)\\.ts"],
      "wire formats: the crypto port, and nothing else of ours",
    ),
    {
      name: "protocol-no-io",
      severity: "error",
      from: { path: "^core/protocol/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    only("storage-stands-alone", "migrations/", ["schema\\.ts$"], "storage knows schemas only"),
    only(
      "verifier-is-small",
      "ledger/verifier/(?!page/)",
      ["core/crypto/port"],
      "an auditor reads it in one sitting: SM3 and SM2 verify, nothing else",
    ),
    only(
      "verifier-page-is-small",
      "ledger/verifier/page/",
      ["ledger/verifier/", "core/crypto/(port|self-test|sm2-wasm)\\.ts", "core/protocol/(errors|fund-sources)\\.ts"],
      "the verifier with a face: its WebAssembly, the words of refusals and the names of funds beside it",
    ),
    only("ledger", "ledger/", ["core/crypto/", "core/protocol/", "migrations/"], "the ledger serves every service and knows none"),
    only("contracts", "streams/contracts/", ["core/protocol/", "core/crypto/port", "streams/bus/port"], "events"),
    only("bus", "streams/bus/", ["migrations/", "core/crypto/port", "streams/contracts/"], "transport knows no service"),
    only(
      "fraud-engine-is-pure",
      "streams/fraud/engine/",
      ["streams/contracts/", "core/crypto/port", "core/protocol/"],
      "(state, event, rules) -> (state, alerts)",
    ),
    only(
      "edge-knows-no-core-service",
      "edge/",
      ["core/crypto/", "core/protocol/", "streams/contracts/", "streams/bus/", "migrations/"],
      "a stolen edge holds no key that opens an EHC-ID, resolves an account or mints a code",
    ),
    {
      name: "edge-app-runs-anywhere",
      severity: "error",
      from: { path: "^edge/app[./]", pathNot: "\\.test\\.ts$" },
      to: { path: "^(migrations/database|node_modules/(@libsql|kafkajs)|streams/bus/(kafka|embedded))" },
    },
    {
      name: "edge-app-web-standards-only",
      severity: "error",
      from: { path: "^edge/app[./]", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    only(
      "core-services",
      "core/(?!crypto/|protocol/)",
      ["core/", "ledger/", "streams/contracts/", "streams/bus/", "migrations/"],
      "the core never imports an edge, a desk or a command",
    ),
    only(
      "streams",
      "streams/(?!contracts/|bus/|fraud/engine/)",
      ["streams/", "core/crypto/", "core/protocol/", "ledger/(leaf-draft|verifier/|port)", "migrations/"],
      "analytics read events, not services",
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // TypeScript 7 has no JavaScript API for the default parser; swc reads the same syntax.
    parser: "swc",
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
    },
  },
};

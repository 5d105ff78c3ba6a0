// Pulumi loads a policy pack through its own, old TypeScript compiler, which knows no ES modules. What this file imports
// is loaded by Node itself.
import "./index.ts";

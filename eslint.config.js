import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const message = "A deployment imports nothing from dev/ or test/.";

/** `{ ...{ a, b }, c }` is `{ a, b, c }`: it only makes the formatter keep `a, b` on one line. */
const noLiteralSpread = {
  selector: "SpreadElement > ObjectExpression",
  message: "Write the properties without a spread object around them.",
};

export default defineConfig(
  globalIgnores(["node_modules/", ".state/"]),
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-restricted-syntax": ["error", noLiteralSpread],
    },
  },
  {
    // A deployment must work without the development half of the repository.
    files: ["index.ts", "{stack,settings,components,host,cli,policy}/**/*.ts"],
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ regex: "(^|/)(dev|test)/", message }] }],
      "no-restricted-syntax": [
        "error",
        // This list replaces the one above, so it has that one's entry too.
        noLiteralSpread,
        // import(), which the rule above does not look at, also with a name that is put together.
        {
          selector: "ImportExpression[source.type!='Literal']",
          message: `What is imported is not to be seen. ${message}`,
        },
        { selector: "ImportExpression[source.value=/(^|\\u002F)(dev|test)\\u002F/]", message },
      ],
    },
  },
);

// What all tests need before they begin: Python, on which the host agent runs.
import { installPython } from "../python.ts";

export default () =>
  installPython((line) => {
    console.log(line);
  });

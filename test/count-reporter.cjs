/** Mocha's own report, and after it one plain line that a script can count by: `1234 passed, 0 failed`. */
const { Spec } = require('mocha').reporters

module.exports = class CountReporter extends Spec {
  epilogue() {
    super.epilogue()
    const { passes, failures } = this.stats
    process.stdout.write(`${passes} passed, ${failures} failed\n`)
  }
}

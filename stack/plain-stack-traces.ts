// The SDK sends every stack trace through source maps and makes one for each promise, which takes a third of a run's
// time. Node runs these files as they are written, so their traces need no source maps.
Reflect.deleteProperty(Error, "prepareStackTrace");

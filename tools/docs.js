#!/usr/bin/env node
/** Writes the documents that are made from the code's tables. Run after a build. */
"use strict";
const { writeFileSync } = require("node:fs");
const path = require("node:path");
const { generatedDocs } = require("../dist/tools/docs/generated.js");

for (const [file, text] of Object.entries(generatedDocs)) writeFileSync(path.join(__dirname, "..", file), text());

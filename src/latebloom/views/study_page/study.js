// The page of a study needs no script but for its light and dark button.

import { themeButton } from "./theme.js";

themeButton(() => {});

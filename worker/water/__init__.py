"""Water licensing: which licences the Billing and Data team has to look at, and the copy."""

"""One module for each step of a deployment. Which there are and their order is in the contract, layout.json."""

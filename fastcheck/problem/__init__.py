"""The question: cost, parameters and claims, validated, whatever they come from."""

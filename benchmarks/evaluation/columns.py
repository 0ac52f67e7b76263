"""Names of columns that records and tables share.  It imports nothing, so that reading records stays quick."""

DIAGNOSTICS = ("recon_sse", "latent_std", "latent_mean", "prior_mean", "prior_cov", "latent_nll", "posterior_var")

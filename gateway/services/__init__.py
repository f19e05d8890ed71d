"""The gRPC services, one file each. They translate, check and call the store; what they decide is written elsewhere."""

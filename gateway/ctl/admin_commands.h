/*
 * admin_commands: app, key, credential and model commands: one function each, over AdminService.
 * Threads  the main thread.
 */
#pragma once
#include "gateway/ctl/session.h"

enum ctl_exit app_import(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_show(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_set(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_env(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_versions(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_publish(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit app_delete(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit key_create(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit key_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit key_delete(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_add(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_show(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_test(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_set(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_enable(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_disable(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit credential_delete(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit model_set(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit model_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit model_remove(struct ctl *ctl, const struct ctl_args *args);
